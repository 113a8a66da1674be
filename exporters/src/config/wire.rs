//! Exporters of IPFIX and NetFlow v9.

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, FileMode, Target, TlsConfig};
use crate::ipfix::Direction;
use crate::wire::Resend;

const SECOND_NS: u64 = 1_000_000_000;
/// Largest UDP payload over IPv4; the largest IPFIX message (RFC 7011 section 3.1) is only slightly larger.
const MAX_MESSAGE: u64 = 65_507;
const MIN_MESSAGE: u64 = 128;

/// nProbe's `-V`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireVersion {
    /// 9.
    Netflow9,
    /// 10.
    #[default]
    Ipfix,
}

/// An exporter of IPFIX or NetFlow v9.
#[derive(Debug, Clone, PartialEq)]
pub struct WireConfig {
    /// The destination.
    pub target: Target,
    /// Observation domain or source id; none: that of the run.
    pub domain: Option<u32>,
    /// Largest message, bytes; none: the default for the target, over UDP at most the path MTU.
    pub max_message: Option<usize>,
    /// How IPFIX sends both directions of a flow.
    pub direction: Direction,
    /// When templates are sent again over UDP.
    pub resend: Resend,
    /// Whether IPFIX options records are sent: types of enterprise elements (RFC 5610), statistics, interface names.
    /// Off by default, because nfdump 1.7 reports them as sequence errors.
    pub options_records: bool,
    /// Maximum number of packets sent per second, so that a collector's socket buffer does not overflow; none: no limit
    /// for live traffic, 10,000 when files are read.
    pub packets_per_second: Option<u32>,
    /// For `tls://`.
    pub tls: TlsConfig,
    /// For `file:`: mode of a new file; none: accessible to the owner only. An existing file keeps its mode.
    pub mode: Option<FileMode>,
}

impl OutputConfig for WireConfig {
    fn target(&self) -> String {
        self.target.to_string()
    }

    fn is_reliable(&self) -> bool {
        self.target.is_stream()
    }
}

impl WireConfig {
    /// An exporter to `target`, with defaults for everything else.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            domain: None,
            max_message: None,
            direction: Direction::default(),
            resend: Resend::default(),
            options_records: false,
            packets_per_second: None,
            tls: TlsConfig::default(),
            mode: None,
        }
    }

    pub(super) fn read(table: &mut Table, version: WireVersion) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let usual = Self::new(Self::target(&url, version)?);
        let config = Self {
            domain: word(table, "domain", 0)?,
            max_message: table.optional("max-message", (MIN_MESSAGE, MAX_MESSAGE))?.and_then(|n| n.try_into().ok()),
            ..usual
        };
        let config = if version == WireVersion::Ipfix { config.read_ipfix(table)? } else { config };
        config.read_transport(table)
    }

    /// Refuses keys that NetFlow v9 does not support.
    fn read_ipfix(self, table: &mut Table) -> Result<Self, ConfigError> {
        let direction = table.take("direction")?.unwrap_or(self.direction);
        let options_records = table.take("options-records")?.unwrap_or(self.options_records);
        Ok(Self { direction, options_records, ..self })
    }

    /// Refuses keys that the transport does not support. Statistics are repeated at the templates' interval on all
    /// transports.
    fn read_transport(self, table: &mut Table) -> Result<Self, ConfigError> {
        let resend = resend(table)?;
        let packets_per_second = match self.target {
            Target::Udp(_) => word(table, "packets-per-second", 1)?,
            _ => None,
        };
        let tls = if matches!(self.target, Target::Tls(_)) { TlsConfig::read_with_name(table)? } else { self.tls };
        let mode = if matches!(self.target, Target::File(_)) { table.take("mode")? } else { None };
        Ok(Self { resend, packets_per_second, tls, mode, ..self })
    }

    /// The initial message size.
    pub(crate) fn first_message(&self) -> usize {
        self.max_message.unwrap_or_else(|| self.target.default_message())
    }

    /// The target of `url`, if that version of the protocol supports it.
    pub(super) fn target(url: &str, version: WireVersion) -> Result<Target, ConfigError> {
        let target = Target::parse(url, version == WireVersion::Ipfix)?;
        match (version, &target) {
            (WireVersion::Ipfix, _) | (_, Target::Udp(_)) => Ok(target),
            (WireVersion::Netflow9, _) => Err(ConfigError::OnlyUdp),
        }
    }
}

/// A number of 32 bits.
fn word(table: &mut Table, key: &'static str, least: u64) -> Result<Option<u32>, ConfigError> {
    Ok(table.optional(key, (least, u64::from(u32::MAX)))?.and_then(|n| n.try_into().ok()))
}

fn resend(table: &mut Table) -> Result<Resend, ConfigError> {
    let usual = Resend::default();
    let seconds = table.number("template-seconds", usual.interval_ns / SECOND_NS, (1, 86_400))?;
    let messages = table.number("template-messages", usual.messages, (1, 1_000_000))?;
    Ok(Resend { interval_ns: seconds * SECOND_NS, messages })
}
