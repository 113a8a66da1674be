//! Exporters to ZeroMQ subscribers such as ntopng.

use super::http::without_secrets;
use super::output::OutputConfig;
use super::table::Table;
use super::target::address;
use super::{Address, ConfigError};
use crate::json::JsonKeys;

/// The port of ntopng's and nProbe's examples.
const PORT: u16 = 5556;

/// The header before the records (ntopng, `include/ntop_typedefs.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZmqHeader {
    /// `zmq_msg_hdr_v1`, 24 bytes, which every ntopng since 2016 reads.
    #[default]
    V1,
    /// `zmq_msg_hdr_v2`, 28 bytes, with a source of 32 bits.
    V2,
}

/// An exporter that publishes records the way nProbe does for ntopng.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZmqConfig {
    /// The address to listen on, or that of a subscriber that listens.
    pub endpoint: Address,
    /// Whether pidflow connects to a subscriber that listens; otherwise it listens itself.
    pub connect: bool,
    /// The header's form.
    pub header: ZmqHeader,
    /// Number of this publisher, by which ntopng detects lost messages; at most 255 with [`ZmqHeader::V1`].
    pub source_id: u32,
    /// Records per message; more than one are an array.
    pub records_per_message: usize,
    /// Keys of the JSON objects.
    pub keys: JsonKeys,
}

impl OutputConfig for ZmqConfig {
    fn target(&self) -> String {
        self.url()
    }

    fn is_reliable(&self) -> bool {
        false
    }
}

impl ZmqConfig {
    /// Listens at `tcp://ADDRESS:PORT` (`*` is any address), with defaults for everything else.
    ///
    /// # Errors
    /// The endpoint is malformed.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let error = |reason: &str| ConfigError::Value {
            key: "url",
            reason: format!(
                "\"{}\" is not an endpoint ({reason}); write tcp://ADDRESS:PORT or tcp://*:PORT",
                without_secrets(url)
            ),
        };
        let place = url.strip_prefix("tcp://").ok_or_else(|| error("its scheme is not tcp"))?;
        let mut endpoint = address(place, Some(PORT)).map_err(error)?;
        if endpoint.host == "*" {
            "0.0.0.0".clone_into(&mut endpoint.host);
        }
        let (header, keys) = (ZmqHeader::default(), JsonKeys::Numbers);
        Ok(Self { endpoint, connect: false, header, source_id: 0, records_per_message: 1, keys })
    }

    /// The keys `url`, `connect`, `header`, `source-id`, `records-per-message` and `keys`.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let usual = Self::new(&url)?;
        let connect = table.take("connect")?.unwrap_or(false);
        let (header, sources) = match table.number("header", 1, (1, 2))? {
            1 => (ZmqHeader::V1, u64::from(u8::MAX)),
            _ => (ZmqHeader::V2, u64::from(u32::MAX)),
        };
        let source_id = u32::try_from(table.number("source-id", 0, (0, sources))?).unwrap_or(0);
        let records_per_message = table.count("records-per-message", usual.records_per_message, (1, 1000))?;
        let keys = table.take("keys")?.unwrap_or(usual.keys);
        Ok(Self { connect, header, source_id, records_per_message, keys, ..usual })
    }

    /// The endpoint for display, and for the library.
    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.endpoint)
    }
}
