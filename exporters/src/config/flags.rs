//! The common exporters from command line flags.

use crate::json::JsonKeys;

use super::{
    ClickHouseConfig, ConfigError, ElasticConfig, ExporterConfig, HttpConfig, JsonConfig, JsonOutput, OtlpConfig,
    Output, WireConfig,
};

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
    /// `-n udp://HOST:PORT` with `-V 9|10`; IPFIX also `tcp://HOST:PORT`, `tls://HOST:PORT` and `file:PATH`.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn collector(url: &str, version: WireVersion) -> Result<Self, ConfigError> {
        let wire = WireConfig::new(WireConfig::target(url, version)?);
        Ok(match version {
            WireVersion::Ipfix => Output::Ipfix(wire).into(),
            WireVersion::Netflow9 => Output::Netflow9(wire).into(),
        })
    }

    /// `--json FILE|-` with `--json-keys names|numbers`.
    #[must_use]
    pub fn json(file: &str, keys: JsonKeys) -> Self {
        Output::Json(JsonConfig { output: JsonOutput::file(file), keys }).into()
    }

    /// `--otlp URL`.
    ///
    /// # Errors
    /// When the address cannot be read, or has user and password in it.
    pub fn otlp(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Otlp(OtlpConfig { http: HttpConfig::new(url)? }).into())
    }

    /// `--elastic URL`.
    ///
    /// # Errors
    /// As [`Self::otlp`].
    pub fn elastic(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Elastic(ElasticConfig::new(url)?).into())
    }

    /// `--clickhouse URL`.
    ///
    /// # Errors
    /// As [`Self::otlp`].
    pub fn clickhouse(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::ClickHouse(ClickHouseConfig::new(url)?).into())
    }
}
