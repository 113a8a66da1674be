//! The configuration of exporters, from the configuration file's tables and from command line flags.
//!
//! A kind of exporter is one file here with its keys, one row of the table in `output.rs`, which is its variant of [`Output`],
//! and one arm of [`crate::kinds::open`].

mod certificates;
mod clickhouse;
mod delivery;
mod elastic;
mod environment;
mod error;
mod file_mode;
mod file_name;
mod flags;
mod headers;
mod http;
mod influx;
mod json;
mod kafka;
mod loki;
mod nats;
mod otlp;
mod output;
mod parquet;
mod redis;
mod s3;
mod secret;
mod server;
mod table;
mod target;
mod tls;
mod wire;
mod written;
mod zmq;

pub(crate) use certificates::certificates;
pub use clickhouse::ClickHouseConfig;
pub use delivery::{DeliveryConfig, SpoolConfig};
pub use elastic::ElasticConfig;
pub use environment::Lookup;
pub use error::ConfigError;
pub use file_mode::FileMode;
pub use file_name::FileName;
pub(crate) use headers::request_headers;
pub use http::HttpConfig;
pub use influx::{InfluxBucket, InfluxConfig};
pub use json::{FileCompression, JsonConfig, JsonOutput, LineFileConfig};
pub use kafka::{KafkaAcks, KafkaCompression, KafkaConfig, KafkaLogin};
pub use loki::LokiConfig;
pub use nats::{NatsConfig, NatsLogin};
pub use otlp::{OtlpConfig, OtlpProtocol, Signal};
pub use output::Output;
pub use parquet::{ParquetConfig, ParquetTarget};
pub use redis::RedisConfig;
pub use s3::S3Config;
pub use secret::Secret;
pub use target::{Address, Target, TargetError};
pub use tls::TlsConfig;
pub use wire::{WireConfig, WireVersion};
pub use zmq::{ZmqConfig, ZmqHeader};

use std::collections::BTreeSet;
use std::sync::Arc;

use pidflow_expression::Expression;
use serde::{Deserialize, Deserializer, de};

use crate::template::Template;
use output::KindEntry;
use table::Table;

/// Default number of records that may wait for one exporter.
pub const DEFAULT_QUEUE: usize = 65_536;
/// Default memory of the records in all queues together, bytes.
pub const DEFAULT_QUEUES_BYTES: usize = 256 << 20;
const MEBIBYTE: u64 = 1 << 20;

/// One exporter. Deserialises from a table with the key `kind`; a key that is unknown, or that the kind does not have, is
/// an error that begins with the key's name.
#[derive(Debug, Clone, PartialEq)]
pub struct ExporterConfig {
    /// The kind of exporter, and its settings.
    pub output: Output,
    /// Elements to export; none: those of the run.
    pub template: Option<Template>,
    /// Only records for which it is true are exported; none: all.
    pub filter: Option<Arc<Expression>>,
    /// Number of records that may wait in memory, 1 to 100,000,000. Beyond it, the oldest are dropped and counted as
    /// `queue_full`.
    pub queue_records: usize,
    /// Memory of the waiting records with their processes and command lines, bytes: at least 1 MiB. Beyond it, the
    /// oldest are dropped too. Records that wait for several exporters are in memory once, but count for each exporter.
    /// None: an equal share of the memory of all queues.
    pub queue_bytes: Option<usize>,
    /// How records are retried; used where [`Output::is_reliable`].
    pub delivery: DeliveryConfig,
    /// Number among exporters of the same kind and target, from 1; see [`name_apart`].
    pub number: u32,
}

impl From<Output> for ExporterConfig {
    /// An exporter with defaults for everything else.
    fn from(output: Output) -> Self {
        let delivery = DeliveryConfig::default();
        Self {
            output,
            template: None,
            filter: None,
            queue_records: DEFAULT_QUEUE,
            queue_bytes: None,
            delivery,
            number: 1,
        }
    }
}

impl ExporterConfig {
    /// Kind and target, and ` #2` for the second one of these: the name in metrics and messages. It contains no secret.
    #[must_use]
    pub fn name(&self) -> String {
        let (kind, target) = (self.output.kind(), self.output.target());
        if self.number > 1 { format!("{kind} {target} #{}", self.number) } else { format!("{kind} {target}") }
    }

    /// Reads a table of the configuration file.
    ///
    /// # Errors
    /// The error of the first invalid key.
    pub fn from_table(mut keys: toml::Table) -> Result<Self, ConfigError> {
        let kind = KindEntry::take(&mut keys)?;
        let mut table = Table::new(kind.name, keys);
        let usual = Self::from((kind.read)(&mut table)?);
        let template = table.read("template", Template::parse)?;
        let filter = if usual.output.takes_records() { table.read("filter", Expression::parse)? } else { None };
        let queue_records = table.count("queue-records", usual.queue_records, (1, 100_000_000))?;
        let mebibytes = table.optional("queue-mebibytes", (1, 1 << 20))?;
        let queue_bytes = mebibytes.map(|n| usize::try_from(n * MEBIBYTE).unwrap_or(usize::MAX));
        let delivery = if usual.output.is_reliable() { DeliveryConfig::read(&mut table)? } else { usual.delivery };
        table.finish()?;
        let (output, filter) = (usual.output, filter.map(Arc::new));
        Ok(Self { output, template, filter, queue_records, queue_bytes, delivery, number: 1 })
    }
}

impl<'de> Deserialize<'de> for ExporterConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::from_table(toml::Table::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// Numbers exporters of the same kind and target, so that each has a unique name. An exporter that is unchanged from
/// `before` keeps its number, so that a reload that removes the first does not rename the second.
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
