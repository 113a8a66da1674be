//! Exporters to OpenTelemetry receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::output::OutputConfig;
use super::table::Table;
use super::tls::server_name;
use super::{ConfigError, HttpConfig};

/// The default interval of metrics, which is OpenTelemetry's.
const METRIC_INTERVAL: Duration = Duration::from_secs(60);

/// An exporter to an OpenTelemetry receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The receiver.
    pub http: HttpConfig,
    /// The protocol.
    pub protocol: OtlpProtocol,
    /// The signals that are sent; at least one.
    pub signals: BTreeSet<Signal>,
    /// Interval at which metrics are sent.
    pub metric_interval: Duration,
    /// Attributes of the resource, in addition to the run's own. They override those with the same key.
    pub resource: BTreeMap<String, String>,
    /// Whether the address is for one signal, so that no path is appended (`OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` and
    /// similar).
    pub exact: bool,
}

/// OTLP's transports; the names are those of `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OtlpProtocol {
    /// gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf in HTTP requests.
    #[serde(rename = "http/protobuf")]
    Http,
}

/// OpenTelemetry's kinds of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// A log record per flow record.
    Logs,
    /// The run's metrics, at intervals.
    Metrics,
    /// A span per flow record.
    Traces,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Metrics, Self::Traces];

    /// The name in the configuration and in paths of OTLP/HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }
}

impl OtlpConfig {
    /// Log records to `url` over gRPC, with defaults for everything else.
    ///
    /// # Errors
    /// The address is malformed, or contains a user and password.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(HttpConfig::new(url)?.into())
    }

    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let mut config = Self::from(HttpConfig::read(table)?);
        config.protocol = table.take("protocol")?.unwrap_or_default();
        if let Some(signals) = table.take("signals")? {
            config.signals = signals;
        }
        if config.signals.is_empty() {
            let reason = "name at least one of logs, metrics, traces".into();
            return Err(ConfigError::Value { key: "signals", reason });
        }
        config.metric_interval = table.seconds("metric-interval-seconds", METRIC_INTERVAL)?;
        config.resource = table.take("resource")?.unwrap_or_default();
        if config.protocol == OtlpProtocol::Grpc {
            config.http.tls.server_name = server_name(table)?;
        }
        Ok(config)
    }
}

impl OutputConfig for OtlpConfig {
    fn target(&self) -> String {
        let names: Vec<_> = self.signals.iter().map(|s| s.name()).collect();
        if names == [Signal::Logs.name()] {
            self.http.url.clone()
        } else {
            format!("{} {}", self.http.url, names.join(","))
        }
    }

    fn takes_records(&self) -> bool {
        self.signals.iter().any(|s| *s != Signal::Metrics)
    }
}

impl From<HttpConfig> for OtlpConfig {
    fn from(http: HttpConfig) -> Self {
        Self {
            http,
            protocol: OtlpProtocol::default(),
            signals: BTreeSet::from([Signal::Logs]),
            metric_interval: METRIC_INTERVAL,
            resource: BTreeMap::new(),
            exact: false,
        }
    }
}
