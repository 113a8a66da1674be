//! Exporters of IPFIX and NetFlow v9.

use super::table::Table;
use super::{ConfigError, Target, TlsConfig, WireVersion};
use crate::wire::Resend;

const SECOND_NS: u64 = 1_000_000_000;
/// Largest UDP payload over IPv4, and largest IPFIX message (RFC 7011 section 3.1), near enough.
const MAX_MESSAGE: u64 = 65_507;
const MIN_MESSAGE: u64 = 128;

/// An exporter of IPFIX or NetFlow v9.
#[derive(Debug, Clone, PartialEq)]
pub struct WireConfig {
    /// Where to.
    pub target: Target,
    /// Observation domain or source id; none: that of the run.
    pub domain: Option<u32>,
    /// Largest message, octets.
    pub max_message: usize,
    /// When templates are sent again over UDP.
    pub resend: Resend,
    /// Whether IPFIX options records are sent: types of enterprise elements (RFC 5610), statistics. Not by
    /// default: nfdump 1.7 takes them for sequence errors.
    pub options_records: bool,
    /// Packets sent per second at most, so that a collector's socket buffer does not run over; none: no limit
    /// live, 10,000 when files are read.
    pub packets_per_second: Option<u32>,
    /// For `tls://`.
    pub tls: TlsConfig,
}

impl WireConfig {
    /// To `target`, with everything else as usual.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            max_message: target.default_message(),
            target,
            domain: None,
            resend: Resend::default(),
            options_records: false,
            packets_per_second: None,
            tls: TlsConfig::default(),
        }
    }

    pub(super) fn read(table: &mut Table, version: WireVersion) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let usual = Self::new(Self::target(&url, version)?);
        let domain = table.take("domain")?;
        let max_message = table.count("max-message", usual.max_message, (MIN_MESSAGE, MAX_MESSAGE))?;
        let resend = resend(table)?;
        let ipfix = version == WireVersion::Ipfix;
        let options_records = ipfix && table.take("options-records")?.unwrap_or(usual.options_records);
        let rate = table.number("packets-per-second", 0, (1, u64::from(u32::MAX)))?;
        let packets_per_second = u32::try_from(rate).ok().filter(|r| *r > 0);
        let tls = if matches!(usual.target, Target::Tls(_)) { TlsConfig::read_with_name(table)? } else { usual.tls };
        Ok(Self { domain, max_message, resend, options_records, packets_per_second, tls, ..usual })
    }

    /// Where `url` leads to, when that version of the protocol goes there.
    pub(super) fn target(url: &str, version: WireVersion) -> Result<Target, ConfigError> {
        let target = Target::parse(url, version == WireVersion::Ipfix)?;
        match (version, &target) {
            (WireVersion::Ipfix, _) | (_, Target::Udp(_)) => Ok(target),
            (WireVersion::Netflow9, _) => Err(ConfigError::OnlyUdp),
        }
    }
}

fn resend(table: &mut Table) -> Result<Resend, ConfigError> {
    let usual = Resend::default();
    let seconds = table.number("template-seconds", usual.interval_ns / SECOND_NS, (1, 86_400))?;
    let messages = table.number("template-messages", usual.messages, (1, 1_000_000))?;
    Ok(Resend { interval_ns: seconds * SECOND_NS, messages })
}
