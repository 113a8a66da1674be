//! Reads the agent's JSON records.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// One end of a record: the prefix of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `SRC_…`
    Source,
    /// `DST_…`
    Destination,
}

impl Side {
    /// The prefix of this side's keys.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Source => "SRC",
            Self::Destination => "DST",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// One flow record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    keys: Map<String, Value>,
    /// IP protocol number.
    pub protocol: u8,
    /// Source address and port.
    pub source: (IpAddr, u16),
    /// Destination address and port.
    pub destination: (IpAddr, u16),
    /// First packet, milliseconds since the epoch.
    pub first_ms: u64,
    /// Last packet, milliseconds since the epoch.
    pub last_ms: u64,
}

impl Record {
    /// Parses one line.
    pub fn parse(line: &str) -> Result<Self> {
        let keys: Map<String, Value> = serde_json::from_str(line).with_context(|| format!("record {line:?}"))?;
        let endpoint = |side: Side| -> Result<(IpAddr, u16)> {
            let prefix = side.prefix();
            let address = [format!("IPV4_{prefix}_ADDR"), format!("IPV6_{prefix}_ADDR")];
            let address = address.iter().find_map(|key| keys.get(key)?.as_str()).context("record without address")?;
            let port = number(&keys, &format!("L4_{prefix}_PORT")).unwrap_or_default();
            Ok((address.parse()?, u16::try_from(port)?))
        };
        let need = |key: &str| number(&keys, key).with_context(|| format!("no {key} in {line}"));
        Ok(Self {
            protocol: u8::try_from(need("PROTOCOL")?)?,
            source: endpoint(Side::Source)?,
            destination: endpoint(Side::Destination)?,
            first_ms: need("FLOW_START_MILLISECONDS")?,
            last_ms: need("FLOW_END_MILLISECONDS")?,
            keys,
        })
    }

    /// A number of the record.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        number(&self.keys, key)
    }

    /// A string of the record.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key)?.as_str()
    }

    /// A number of one end: `PROC_PID` of the source is `SRC_PROC_PID`.
    #[must_use]
    pub fn end_number(&self, side: Side, key: &str) -> Option<u64> {
        self.number(&format!("{}_{key}", side.prefix()))
    }

    /// A string of one end.
    #[must_use]
    pub fn end_text(&self, side: Side, key: &str) -> Option<&str> {
        self.text(&format!("{}_{key}", side.prefix()))
    }

    /// The whole record.
    #[must_use]
    pub const fn keys(&self) -> &Map<String, Value> {
        &self.keys
    }
}

fn number(keys: &Map<String, Value>, key: &str) -> Option<u64> {
    keys.get(key)?.as_u64()
}

/// Reads a file of records.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let text = fs::read_to_string(path).with_context(|| format!("read records {}", path.display()))?;
    parse(&text)
}

/// Parses lines of records.
pub fn parse(text: &str) -> Result<Vec<Record>> {
    text.lines().map(Record::parse).collect()
}
