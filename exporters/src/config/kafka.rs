//! Exporters to Kafka.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::output::OutputConfig;
use super::table::Table;
use super::target::address;
use super::{ConfigError, Secret, TlsConfig};
use crate::json::JsonKeys;

/// Settings that must not be changed, because pidflow's count of delivered records depends on them.
const RESERVED_SETTINGS: [&str; 4] =
    ["bootstrap.servers", "metadata.broker.list", "message.timeout.ms", "delivery.timeout.ms"];

/// Kafka's own port.
const PORT: u16 = 9092;
/// The default topic.
const TOPIC: &str = "pidflow.flows";

/// How batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaCompression {
    /// Not compressed.
    None,
    /// Gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    #[default]
    Lz4,
    /// Zstandard; needs Kafka 2.1.
    Zstd,
}

/// Which replicas must have a record before it counts as accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KafkaAcks {
    /// Every replica in sync.
    #[default]
    All,
    /// The partition's leader.
    Leader,
    /// None: a record counts as accepted when it was sent.
    None,
}

/// Authentication (SASL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaLogin {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// An exporter to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `HOST:PORT` of some brokers, which know the others, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// How batches are compressed.
    pub compression: KafkaCompression,
    /// Which replicas must have a record.
    pub acks: KafkaAcks,
    /// None: without TLS.
    pub tls: Option<TlsConfig>,
    /// None: without authentication.
    pub login: Option<KafkaLogin>,
    /// Further settings of librdkafka, by librdkafka's names. Any of them may be a secret.
    pub settings: BTreeMap<String, Secret>,
    /// Keys of the JSON objects.
    pub keys: JsonKeys,
}

/// A setting's value in TOML.
#[derive(Deserialize)]
#[serde(untagged, expecting = "write a number, true, false, \"text\", { file = \"PATH\" } or { env = \"VARIABLE\" }")]
enum Setting {
    Number(i64),
    Switch(bool),
    Text(Secret),
}

impl OutputConfig for KafkaConfig {
    fn target(&self) -> String {
        format!("{} {}", self.brokers, self.topic)
    }
}

impl KafkaConfig {
    /// An exporter to the topic on these brokers (`HOST:PORT,…`), with defaults for everything else.
    #[must_use]
    pub fn new(brokers: &str, topic: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            compression: KafkaCompression::default(),
            acks: KafkaAcks::default(),
            tls: None,
            login: None,
            settings: BTreeMap::new(),
            keys: JsonKeys::default(),
        }
    }

    /// Like [`Self::new`], from `HOST:PORT[,HOST:PORT…][/TOPIC]`.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (brokers, name) = text.split_once('/').unwrap_or((text, TOPIC));
        if !brokers.split(',').all(|broker| address(broker, Some(PORT)).is_ok()) {
            return value("kafka", "write HOST:PORT[,HOST:PORT…][/TOPIC]");
        }
        let name = topic(name).map_err(|reason| ConfigError::Value { key: "kafka", reason: reason.into() })?;
        Ok(Self::new(brokers, &name))
    }

    /// The keys `brokers`, `topic`, `compression`, `acks`, `tls`, `sasl`, `user`, `password`, `settings`, `keys` and those
    /// of TLS.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let brokers: Vec<String> = table.need("brokers")?;
        if brokers.is_empty() || brokers.iter().any(|b| address(b, Some(PORT)).is_err() || b.contains([',', '@', '/']))
        {
            return value("brokers", "allowed is a list of \"HOST:PORT\"");
        }
        let topic = table.read("topic", topic)?.unwrap_or_else(|| TOPIC.into());
        let compression = table.take("compression")?.unwrap_or_default();
        let acks = table.read("acks", KafkaAcks::read)?.unwrap_or_default();
        let with_tls: bool = table.take("tls")?.unwrap_or(false);
        let login = KafkaLogin::read(table)?;
        let settings = settings(table.take("settings")?.unwrap_or_default())?;
        let keys = table.take("keys")?.unwrap_or_default();
        let tls = TlsConfig::read(table)?;
        let tls = with_tls.then_some(tls);
        Ok(Self { compression, acks, tls, login, settings, keys, ..Self::new(&brokers.join(","), &topic) })
    }
}

impl KafkaAcks {
    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "all" => Ok(Self::All),
            "leader" => Ok(Self::Leader),
            "none" => Ok(Self::None),
            _ => Err("allowed are all, leader, none"),
        }
    }
}

impl KafkaLogin {
    fn read(table: &mut Table) -> Result<Option<Self>, ConfigError> {
        let mechanism = table.read("sasl", mechanism)?;
        let (user, password) = (table.take("user")?, table.take("password")?);
        match (mechanism, user, password) {
            (None, None, None) => Ok(None),
            (Some(mechanism), Some(user), Some(password)) => Ok(Some(Self { mechanism, user, password })),
            (None, ..) => {
                value("sasl", "it is needed with `user` and `password`: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
            }
            (Some(_), ..) => value("sasl", "it needs `user` and `password`"),
        }
    }
}

fn mechanism(text: &str) -> Result<String, &'static str> {
    let known = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&text);
    if known { Ok(text.to_owned()) } else { Err("allowed are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512") }
}

/// Kafka's own rule for names of topics.
fn topic(text: &str) -> Result<String, &'static str> {
    let ok = (1..250).contains(&text.len())
        && !["", ".", ".."].contains(&text)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if ok { Ok(text.to_owned()) } else { Err("allowed are up to 249 letters, digits, `.`, `_` and `-`") }
}

fn settings(given: BTreeMap<String, Setting>) -> Result<BTreeMap<String, Secret>, ConfigError> {
    if let Some(name) = RESERVED_SETTINGS.iter().find(|name| given.contains_key(**name)) {
        return value("settings", &format!("{name} is set by pidflow itself"));
    }
    let text = |setting| match setting {
        Setting::Number(n) => Secret::new(&n.to_string()),
        Setting::Switch(on) => Secret::new(if on { "true" } else { "false" }),
        Setting::Text(text) => text,
    };
    Ok(given.into_iter().map(|(name, setting)| (name, text(setting))).collect())
}

fn value<T>(key: &'static str, reason: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Value { key, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_and_topic_of_a_flag() {
        let read = |text| KafkaConfig::parse(text).map(|c| (c.brokers, c.topic)).map_err(|e| e.to_string());
        assert_eq!(read("a:1"), Ok(("a:1".into(), "pidflow.flows".into())));
        assert_eq!(read("a:1,[::1]:2/flows"), Ok(("a:1,[::1]:2".into(), "flows".into())));
        for wrong in ["", "a:1,", "a:b", "kafka://a:1", "me:hush@a:1"] {
            let said = read(wrong).unwrap_err();
            assert!(said.starts_with("`kafka`: write HOST:PORT[,HOST:PORT…][/TOPIC]"), "{said}");
        }
        assert!(read("a:1/").unwrap_err().contains("249 letters"));
    }
}
