//! Which exporters there are, from the configuration file's tables and from command line flags.
//!
//! A kind of exporter is one file here, one variant of [`Output`], and one arm of [`crate::transport::open`].

mod clickhouse;
mod delivery;
mod elastic;
mod environment;
mod error;
mod file_mode;
mod file_name;
mod flags;
mod http;
mod influx;
mod json;
mod kafka;
mod loki;
mod nats;
mod otlp;
mod redis;
mod secret;
mod server;
mod table;
mod target;
mod tls;
mod wire;
mod written;
mod zmq;

pub use clickhouse::ClickHouseConfig;
pub use delivery::{DeliveryConfig, SpoolConfig};
pub use elastic::ElasticConfig;
pub use environment::Lookup;
pub use error::ConfigError;
pub use file_mode::FileMode;
pub use file_name::FileName;
pub use flags::WireVersion;
pub use http::HttpConfig;
pub use influx::{InfluxBucket, InfluxConfig};
pub use json::{FileCompression, JsonConfig, JsonOutput, LineFileConfig};
pub use kafka::{KafkaAcks, KafkaCompression, KafkaConfig, KafkaLogin};
pub use loki::LokiConfig;
pub use nats::{NatsConfig, NatsLogin};
pub use otlp::{OtlpConfig, OtlpProtocol, Signal};
pub use redis::RedisConfig;
pub use secret::Secret;
pub use target::{Address, Target, TargetError};
pub use tls::TlsConfig;
pub use wire::WireConfig;
pub use zmq::{ZmqConfig, ZmqHeader};

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de};

use crate::template::Template;
use table::Table;

/// Records that wait for one exporter unless it says otherwise; about 30 MB when each has command lines.
pub const DEFAULT_QUEUE: usize = 65_536;

/// One exporter. Deserialises from a table with the key `kind`; a key that is unknown, or that the kind does not have, is
/// an error that begins with the key's name.
#[derive(Debug, Clone, PartialEq)]
pub struct ExporterConfig {
    /// What it makes of records, and where they go.
    pub output: Output,
    /// Which elements; none: those of the run.
    pub template: Option<Template>,
    /// Records that may wait in memory.
    pub queue_records: usize,
    /// How hard it tries; of meaning where [`Output::is_reliable`].
    pub delivery: DeliveryConfig,
    /// Which one it is of those with the same kind and target, from 1; see [`name_apart`].
    pub number: u32,
}

/// What an exporter makes of records, and where they go.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// IPFIX over UDP, TCP or TLS, or to a file.
    Ipfix(WireConfig),
    /// NetFlow v9 over UDP.
    Netflow9(WireConfig),
    /// JSON lines to files, standard output or sockets.
    Json(JsonConfig),
    /// OpenTelemetry.
    Otlp(OtlpConfig),
    /// Rows of a ClickHouse table.
    ClickHouse(ClickHouseConfig),
    /// Documents of Elasticsearch or OpenSearch.
    Elastic(ElasticConfig),
    /// Points of InfluxDB.
    Influx(InfluxConfig),
    /// Lines of Loki.
    Loki(LokiConfig),
    /// Entries of a Redis list.
    Redis(RedisConfig),
    /// Messages of a NATS subject.
    Nats(NatsConfig),
    /// Messages for ZeroMQ subscribers such as ntopng.
    Zmq(ZmqConfig),
    /// Messages of a Kafka topic.
    Kafka(KafkaConfig),
}

/// The names of all kinds, as the key `kind` takes them.
const KINDS: [&str; 12] =
    ["ipfix", "netflow9", "json", "otlp", "clickhouse", "elastic", "influx", "loki", "redis", "nats", "zmq", "kafka"];

impl Output {
    /// The kind's name, one of those that the key `kind` takes.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ipfix(_) => "ipfix",
            Self::Netflow9(_) => "netflow9",
            Self::Json(_) => "json",
            Self::Otlp(_) => "otlp",
            Self::ClickHouse(_) => "clickhouse",
            Self::Elastic(_) => "elastic",
            Self::Influx(_) => "influx",
            Self::Loki(_) => "loki",
            Self::Redis(_) => "redis",
            Self::Nats(_) => "nats",
            Self::Zmq(_) => "zmq",
            Self::Kafka(_) => "kafka",
        }
    }

    fn read(kind: &'static str, table: &mut Table) -> Result<Self, ConfigError> {
        Ok(match kind {
            "ipfix" => Self::Ipfix(WireConfig::read(table, WireVersion::Ipfix)?),
            "netflow9" => Self::Netflow9(WireConfig::read(table, WireVersion::Netflow9)?),
            "json" => Self::Json(JsonConfig::read(table)?),
            "clickhouse" => Self::ClickHouse(ClickHouseConfig::read(table)?),
            "elastic" => Self::Elastic(ElasticConfig::read(table)?),
            "influx" => Self::Influx(InfluxConfig::read(table)?),
            "loki" => Self::Loki(LokiConfig::read(table)?),
            "redis" => Self::Redis(RedisConfig::read(table)?),
            "nats" => Self::Nats(NatsConfig::read(table)?),
            "zmq" => Self::Zmq(ZmqConfig::read(table)?),
            "kafka" => Self::Kafka(KafkaConfig::read(table)?),
            _ => Self::Otlp(OtlpConfig::read(table)?),
        })
    }

    /// Where it sends to, without any secret.
    fn target(&self) -> String {
        match self {
            Self::Ipfix(c) | Self::Netflow9(c) => c.target.to_string(),
            Self::Json(c) => c.output.to_string(),
            Self::Otlp(c) => c.target(),
            Self::ClickHouse(c) => format!("{} {}", c.http.url, c.table),
            Self::Elastic(c) => format!("{} {}", c.http.url, c.index),
            Self::Influx(c) => format!("{} {}", c.http.url, c.bucket),
            Self::Loki(c) => c.http.url.clone(),
            Self::Redis(c) => format!("{} {}", c.url(), c.key),
            Self::Nats(c) => format!("{} {}", c.url(), c.subject),
            Self::Zmq(c) => c.url(),
            Self::Kafka(c) => format!("{} {}", c.brokers, c.topic),
        }
    }

    /// Whether its receiver, or the connection to it, says what arrived, so that records can be sent again.
    #[must_use]
    pub const fn is_reliable(&self) -> bool {
        match self {
            Self::Ipfix(c) | Self::Netflow9(c) => c.target.is_stream(),
            Self::Json(c) => c.output.is_stream(),
            Self::Zmq(_) => false,
            Self::Otlp(_) | Self::ClickHouse(_) | Self::Elastic(_) | Self::Influx(_) | Self::Loki(_) => true,
            Self::Redis(_) | Self::Nats(_) | Self::Kafka(_) => true,
        }
    }
}

impl Output {
    /// Whether it makes something of flow records.
    #[must_use]
    pub fn takes_records(&self) -> bool {
        match self {
            Self::Otlp(c) => c.takes_records(),
            _ => true,
        }
    }
}

impl From<Output> for ExporterConfig {
    /// With everything else as usual.
    fn from(output: Output) -> Self {
        Self { output, template: None, queue_records: DEFAULT_QUEUE, delivery: DeliveryConfig::default(), number: 1 }
    }
}

impl ExporterConfig {
    /// Kind and target, and ` #2` for the second one of these, as metrics and messages call it. Holds no secret.
    #[must_use]
    pub fn name(&self) -> String {
        let (kind, target) = (self.output.kind(), self.output.target());
        if self.number > 1 { format!("{kind} {target} #{}", self.number) } else { format!("{kind} {target}") }
    }

    /// Reads a table of the configuration file.
    ///
    /// # Errors
    /// Of the first key that is wrong.
    pub fn from_table(mut keys: toml::Table) -> Result<Self, ConfigError> {
        let given = keys.remove("kind").and_then(|k| k.as_str().map(str::to_owned)).ok_or(ConfigError::NoKind)?;
        let kind = KINDS.into_iter().find(|k| *k == given).ok_or(ConfigError::Kind { given })?;
        let mut table = Table::new(kind, keys);
        let usual = Self::from(Output::read(kind, &mut table)?);
        let template = table.read("template", Template::parse)?;
        let queue_records = table.count("queue-records", usual.queue_records, (1, 100_000_000))?;
        let delivery = if usual.output.is_reliable() { DeliveryConfig::read(&mut table)? } else { usual.delivery };
        table.finish()?;
        Ok(Self { output: usual.output, template, queue_records, delivery, number: 1 })
    }
}

impl<'de> Deserialize<'de> for ExporterConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::from_table(toml::Table::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// Numbers exporters of the same kind and target, so that each has a name of its own. One that is the same among
/// `before` keeps its number, so that a reload that takes out the first leaves the second one what it was.
pub fn name_apart(exporters: &mut [ExporterConfig], before: &[ExporterConfig]) {
    let mut old: Vec<_> = before.iter().collect();
    let mut names = BTreeSet::new();
    let mut new = Vec::new();
    for exporter in exporters {
        let same = |o: &&ExporterConfig| **o == ExporterConfig { number: o.number, ..exporter.clone() };
        match old.iter().position(same) {
            Some(at) => {
                exporter.number = old.swap_remove(at).number;
                names.insert(exporter.name());
            }
            None => new.push(exporter),
        }
    }
    for exporter in new {
        exporter.number = 1;
        while !names.insert(exporter.name()) {
            exporter.number += 1;
        }
    }
}

#[cfg(test)]
mod tests;
