//! Makes the common exporters from command line flags.

use std::collections::BTreeMap;

use crate::ipfix::Direction;
use crate::json::JsonKeys;

use super::environment::{self, Lookup};
use super::{
    ClickHouseConfig, ConfigError, ElasticConfig, ExporterConfig, JsonConfig, JsonOutput, KafkaConfig, NatsConfig,
    OtlpConfig, Output, ParquetConfig, RedisConfig, Signal, WireConfig, WireVersion, ZmqConfig,
};

impl ExporterConfig {
    /// `-n udp://HOST:PORT` with `-V 9|10`; IPFIX also `tcp://HOST:PORT`, `tls://HOST:PORT` and `file:PATH`.
    ///
    /// # Errors
    /// The address is malformed.
    pub fn collector(url: &str, version: WireVersion) -> Result<Self, ConfigError> {
        let wire = WireConfig::new(WireConfig::target(url, version)?);
        Ok(match version {
            WireVersion::Ipfix => Output::Ipfix(wire).into(),
            WireVersion::Netflow9 => Output::Netflow9(wire).into(),
        })
    }

    /// `--ipfix-direction`; other kinds than IPFIX ignore it.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        if let Output::Ipfix(wire) = &mut self.output {
            wire.direction = direction;
        }
        self
    }

    /// `--json FILE|-|URL` with `--json-keys names|numbers`.
    ///
    /// # Errors
    /// The file's name or the address is malformed.
    pub fn json(to: &str, keys: JsonKeys) -> Result<Self, ConfigError> {
        Ok(Output::Json(JsonConfig { output: JsonOutput::parse(to)?, keys, timestamp: false }).into())
    }

    /// Log records over OTLP/gRPC to `url`, with defaults for everything else.
    ///
    /// # Errors
    /// The address is malformed, or contains a user and password.
    pub fn otlp(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Otlp(OtlpConfig::new(url)?).into())
    }

    /// `--otlp URL|env` with `--otlp-signals …`. As in OpenTelemetry's SDKs, the variables `OTEL_EXPORTER_OTLP_*` set
    /// what the flag does not, including the address if `url` is none. Returns several exporters if the signals have
    /// different settings.
    ///
    /// # Errors
    /// The address or a variable is malformed. The error contains no value of a variable that may be a secret.
    pub fn otlp_with_variables(
        url: Option<&str>,
        signals: &[Signal],
        lookup: Lookup<'_>,
    ) -> Result<Vec<Self>, ConfigError> {
        environment::exporters(url, signals, lookup)
    }

    /// Attributes of the resource, from `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.
    ///
    /// # Errors
    /// An attribute is malformed.
    pub fn otlp_resource(lookup: Lookup<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
        environment::resource(lookup)
    }

    /// `--elastic URL`.
    ///
    /// # Errors
    /// As for [`Self::otlp`].
    pub fn elastic(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Elastic(ElasticConfig::new(url)?).into())
    }

    /// `--clickhouse URL`.
    ///
    /// # Errors
    /// As for [`Self::otlp`].
    pub fn clickhouse(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::ClickHouse(ClickHouseConfig::new(url)?).into())
    }

    /// `--kafka HOST:PORT[,HOST:PORT…][/TOPIC]`.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn kafka(to: &str) -> Result<Self, ConfigError> {
        Ok(Output::Kafka(KafkaConfig::parse(to)?).into())
    }

    /// `--nats nats://HOST:PORT`.
    ///
    /// # Errors
    /// As for [`Self::otlp`].
    pub fn nats(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Nats(NatsConfig::new(url)?).into())
    }

    /// `--parquet FOLDER|s3://BUCKET/PREFIX`. AWS' variables set the server, the region and the credentials.
    ///
    /// # Errors
    /// The folder has no name, the address is malformed, or there are no credentials.
    pub fn parquet(to: &str) -> Result<Self, ConfigError> {
        Ok(Output::Parquet(ParquetConfig::new(to, &|name| std::env::var(name).ok())?).into())
    }

    /// `--redis redis://HOST:PORT`.
    ///
    /// # Errors
    /// As for [`Self::otlp`].
    pub fn redis(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Redis(RedisConfig::new(url)?).into())
    }

    /// `--zmq tcp://ADDRESS:PORT`.
    ///
    /// # Errors
    /// The endpoint is malformed.
    pub fn zmq(url: &str) -> Result<Self, ConfigError> {
        Ok(Output::Zmq(ZmqConfig::new(url)?).into())
    }
}
