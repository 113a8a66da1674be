//! The kinds of exporters: one row of the table for each.

use super::table::Table;
use super::{
    ClickHouseConfig, ConfigError, ElasticConfig, InfluxConfig, JsonConfig, KafkaConfig, LokiConfig, NatsConfig,
    OtlpConfig, ParquetConfig, RedisConfig, WireConfig, WireVersion, ZmqConfig,
};

/// Properties that every kind's configuration has.
pub(super) trait OutputConfig {
    /// The destination, without any secret.
    fn target(&self) -> String;

    /// Whether the receiver, or the connection to it, confirms what arrived, so that records can be sent again.
    fn is_reliable(&self) -> bool {
        true
    }

    /// Whether it exports flow records.
    fn takes_records(&self) -> bool {
        true
    }
}

/// A kind's name and reader.
#[derive(Clone, Copy)]
pub(super) struct KindEntry {
    /// The value of the key `kind`.
    pub(super) name: &'static str,
    /// Reads the kind's keys.
    pub(super) read: fn(&mut Table) -> Result<Output, ConfigError>,
}

impl KindEntry {
    /// The kind that the key `kind` names.
    pub(super) fn take(keys: &mut toml::Table) -> Result<Self, ConfigError> {
        let allowed = || KINDS.map(|kind| kind.name).join(", ");
        let given = keys.remove("kind").and_then(|k| k.as_str().map(str::to_owned));
        let given = given.ok_or_else(|| ConfigError::NoKind { allowed: allowed() })?;
        let known = KINDS.into_iter().find(|kind| kind.name == given);
        known.ok_or_else(|| ConfigError::Kind { given, allowed: allowed() })
    }
}

/// Generates the variants, the names and the common properties from the rows of the table.
macro_rules! outputs {
    ($($(#[$doc:meta])* $variant:ident($config:ident) = $name:literal, $read:expr;)*) => {
        /// The kinds of exporters with their settings.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Output {
            $($(#[$doc])* $variant($config),)*
        }

        /// All kinds, in the order of the table.
        pub(super) const KINDS: [KindEntry; [$($name),*].len()] =
            [$(KindEntry { name: $name, read: |table| $read(table).map(Output::$variant) }),*];

        impl Output {
            /// The kind's name, one of those that the key `kind` takes.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            fn config(&self) -> &dyn OutputConfig {
                match self {
                    $(Self::$variant(config) => config,)*
                }
            }
        }
    };
}

outputs! {
    /// IPFIX over UDP, TCP or TLS, or to a file.
    Ipfix(WireConfig) = "ipfix", |table| WireConfig::read(table, WireVersion::Ipfix);
    /// NetFlow v9 over UDP.
    Netflow9(WireConfig) = "netflow9", |table| WireConfig::read(table, WireVersion::Netflow9);
    /// JSON lines to files, standard output or sockets.
    Json(JsonConfig) = "json", JsonConfig::read;
    /// OpenTelemetry.
    Otlp(OtlpConfig) = "otlp", OtlpConfig::read;
    /// Rows of a ClickHouse table.
    ClickHouse(ClickHouseConfig) = "clickhouse", ClickHouseConfig::read;
    /// Documents of Elasticsearch or OpenSearch.
    Elastic(ElasticConfig) = "elastic", ElasticConfig::read;
    /// Points of InfluxDB.
    Influx(InfluxConfig) = "influx", InfluxConfig::read;
    /// Lines of Loki.
    Loki(LokiConfig) = "loki", LokiConfig::read;
    /// Entries of a Redis list.
    Redis(RedisConfig) = "redis", RedisConfig::read;
    /// Messages of a NATS subject.
    Nats(NatsConfig) = "nats", NatsConfig::read;
    /// Messages for ZeroMQ subscribers such as ntopng.
    Zmq(ZmqConfig) = "zmq", ZmqConfig::read;
    /// Messages of a Kafka topic.
    Kafka(KafkaConfig) = "kafka", KafkaConfig::read;
    /// Parquet files.
    Parquet(ParquetConfig) = "parquet", ParquetConfig::read;
}

impl Output {
    /// The destination, without any secret.
    pub(super) fn target(&self) -> String {
        self.config().target()
    }

    /// Whether the receiver, or the connection to it, confirms what arrived, so that records can be sent again.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.config().is_reliable()
    }

    /// Whether it exports flow records.
    #[must_use]
    pub fn takes_records(&self) -> bool {
        self.config().takes_records()
    }
}
