//! The common exporters from command line flags.

use crate::json::JsonKeys;

use super::{ConfigError, ExporterConfig, JsonConfig, JsonOutput, OtlpConfig, Target, WireConfig};

/// nProbe's `-V`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireVersion {
    /// 9.
    Netflow9,
    /// 10.
    #[default]
    Ipfix,
}

impl ExporterConfig {
    /// `-n udp://HOST:PORT` with `-V 9|10`; IPFIX also `tcp://HOST:PORT` and `file:PATH`.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn collector(url: &str, version: WireVersion) -> Result<Self, ConfigError> {
        let target = Target::parse(url, version == WireVersion::Ipfix)?;
        let udp = matches!(target, Target::Udp(_));
        let wire = WireConfig::new(target);
        match version {
            WireVersion::Ipfix => Ok(Self::Ipfix(wire)),
            WireVersion::Netflow9 if udp => Ok(Self::Netflow9(wire)),
            WireVersion::Netflow9 => Err(ConfigError::OnlyUdp),
        }
    }

    /// `--json FILE|-` with `--json-keys names|numbers`.
    #[must_use]
    pub fn json(file: &str, keys: JsonKeys) -> Self {
        let output = if file == "-" { JsonOutput::Stdout } else { JsonOutput::File(file.into()) };
        Self::Json(JsonConfig::new(output, keys))
    }

    /// `--otlp URL`.
    ///
    /// # Errors
    /// When the address cannot be read, or has user and password in it.
    pub fn otlp(url: &str) -> Result<Self, ConfigError> {
        let host = url.strip_prefix("http://").filter(|host| !host.is_empty() && !host.contains(['@', ' ']));
        match host {
            Some(_) => Ok(Self::Otlp(OtlpConfig::new(url.trim_end_matches('/')))),
            None => Err(ConfigError::OtlpUrl { url: without_user(url) }),
        }
    }
}

/// The address without what stands before an `@`, so that no password reaches a message.
fn without_user(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}
