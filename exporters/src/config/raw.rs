//! An exporter's table in the configuration file, before it is known whether its keys go together.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::json::JsonKeys;
use crate::template::Template;
use crate::wire::Resend;

use super::{ConfigError, ExporterConfig, WireVersion};

const SECOND_NS: u64 = 1_000_000_000;
/// Largest UDP payload over IPv4, and largest IPFIX message (RFC 7011 section 3.1), near enough.
const MAX_MESSAGE: u64 = 65_507;
const MIN_MESSAGE: u64 = 128;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Ipfix,
    Netflow9,
    Json,
    Otlp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Compression {
    Gzip,
    None,
}

/// Every key that any kind has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawExporter {
    kind: Kind,
    url: Option<String>,
    file: Option<String>,
    keys: Option<JsonKeys>,
    template: Option<String>,
    domain: Option<u32>,
    max_message: Option<u64>,
    template_seconds: Option<u64>,
    template_messages: Option<u64>,
    options_records: Option<bool>,
    packets_per_second: Option<u64>,
    queue_records: Option<u64>,
    headers: Option<BTreeMap<String, String>>,
    compression: Option<Compression>,
    batch_records: Option<u64>,
    timeout_seconds: Option<u64>,
    give_up_seconds: Option<u64>,
}

const IPFIX_KEYS: &[&str] = &[
    "url",
    "template",
    "domain",
    "max-message",
    "template-seconds",
    "template-messages",
    "options-records",
    "packets-per-second",
    "queue-records",
];
const NETFLOW9_KEYS: &[&str] = &[
    "url",
    "template",
    "domain",
    "max-message",
    "template-seconds",
    "template-messages",
    "packets-per-second",
    "queue-records",
];
const JSON_KEYS: &[&str] = &["file", "keys", "template", "queue-records"];
const OTLP_KEYS: &[&str] = &[
    "url",
    "template",
    "headers",
    "compression",
    "batch-records",
    "timeout-seconds",
    "give-up-seconds",
    "queue-records",
];

impl Kind {
    const fn name_and_keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ipfix => ("ipfix", IPFIX_KEYS),
            Self::Netflow9 => ("netflow9", NETFLOW9_KEYS),
            Self::Json => ("json", JSON_KEYS),
            Self::Otlp => ("otlp", OTLP_KEYS),
        }
    }
}

impl TryFrom<RawExporter> for ExporterConfig {
    type Error = ConfigError;

    fn try_from(raw: RawExporter) -> Result<Self, ConfigError> {
        raw.reject_foreign_keys()?;
        match raw.kind {
            Kind::Ipfix => raw.wire(WireVersion::Ipfix),
            Kind::Netflow9 => raw.wire(WireVersion::Netflow9),
            Kind::Json => raw.json(),
            Kind::Otlp => raw.otlp(),
        }
    }
}

/// `value` where it is given and in range, else `usual`.
fn ranged(key: &'static str, value: Option<u64>, usual: u64, (min, max): (u64, u64)) -> Result<u64, ConfigError> {
    match value {
        Some(value) if value < min || value > max => Err(ConfigError::Range { key, value, min, max }),
        other => Ok(other.unwrap_or(usual)),
    }
}

fn count(key: &'static str, value: Option<u64>, usual: usize, range: (u64, u64)) -> Result<usize, ConfigError> {
    let value = ranged(key, value, usual as u64, range)?;
    Ok(usize::try_from(value).unwrap_or(usual))
}

impl RawExporter {
    fn given(&self) -> [(&'static str, bool); 16] {
        [
            ("url", self.url.is_some()),
            ("file", self.file.is_some()),
            ("keys", self.keys.is_some()),
            ("template", self.template.is_some()),
            ("domain", self.domain.is_some()),
            ("max-message", self.max_message.is_some()),
            ("template-seconds", self.template_seconds.is_some()),
            ("template-messages", self.template_messages.is_some()),
            ("options-records", self.options_records.is_some()),
            ("packets-per-second", self.packets_per_second.is_some()),
            ("queue-records", self.queue_records.is_some()),
            ("headers", self.headers.is_some()),
            ("compression", self.compression.is_some()),
            ("batch-records", self.batch_records.is_some()),
            ("timeout-seconds", self.timeout_seconds.is_some()),
            ("give-up-seconds", self.give_up_seconds.is_some()),
        ]
    }

    fn reject_foreign_keys(&self) -> Result<(), ConfigError> {
        let (kind, keys) = self.kind.name_and_keys();
        let given = self.given();
        match given.iter().find(|(key, given)| *given && !keys.contains(key)) {
            Some((key, _)) => Err(ConfigError::Foreign { kind, key, allowed: keys.join(", ") }),
            None => Ok(()),
        }
    }

    fn needed<'a>(&self, key: &'static str, value: &'a Option<String>) -> Result<&'a str, ConfigError> {
        let kind = self.kind.name_and_keys().0;
        value.as_deref().ok_or(ConfigError::Missing { kind, key })
    }

    fn template(&self) -> Result<Option<Template>, ConfigError> {
        Ok(self.template.as_deref().map(Template::parse).transpose()?)
    }

    fn queue(&self) -> Result<usize, ConfigError> {
        count("queue-records", self.queue_records, super::DEFAULT_QUEUE, (1, 100_000_000))
    }

    fn resend(&self) -> Result<Resend, ConfigError> {
        let usual = Resend::default();
        let seconds = ranged("template-seconds", self.template_seconds, usual.interval_ns / SECOND_NS, (1, 86_400))?;
        let messages = ranged("template-messages", self.template_messages, usual.messages, (1, 1_000_000))?;
        Ok(Resend { interval_ns: seconds * SECOND_NS, messages })
    }

    fn wire(&self, version: WireVersion) -> Result<ExporterConfig, ConfigError> {
        let mut config = ExporterConfig::collector(self.needed("url", &self.url)?, version)?;
        if let ExporterConfig::Ipfix(wire) | ExporterConfig::Netflow9(wire) = &mut config {
            wire.template = self.template()?;
            wire.domain = self.domain;
            wire.max_message = count("max-message", self.max_message, wire.max_message, (MIN_MESSAGE, MAX_MESSAGE))?;
            wire.resend = self.resend()?;
            wire.options_records = self.options_records.unwrap_or(wire.options_records);
            let rate = ranged("packets-per-second", self.packets_per_second, 0, (1, u64::from(u32::MAX)))?;
            wire.packets_per_second = u32::try_from(rate).ok().filter(|r| *r > 0);
            wire.queue_records = self.queue()?;
        }
        Ok(config)
    }

    fn json(&self) -> Result<ExporterConfig, ConfigError> {
        let mut config = ExporterConfig::json(self.needed("file", &self.file)?, self.keys.unwrap_or_default());
        if let ExporterConfig::Json(json) = &mut config {
            json.template = self.template()?;
            json.queue_records = self.queue()?;
        }
        Ok(config)
    }

    fn otlp(self) -> Result<ExporterConfig, ConfigError> {
        let mut config = ExporterConfig::otlp(self.needed("url", &self.url)?)?;
        if let ExporterConfig::Otlp(otlp) = &mut config {
            otlp.template = self.template()?;
            otlp.gzip = self.compression != Some(Compression::None);
            otlp.batch_records = count("batch-records", self.batch_records, otlp.batch_records, (1, 10_000))?;
            let seconds = |key, value, usual: Duration| ranged(key, value, usual.as_secs(), (1, 86_400));
            otlp.timeout = Duration::from_secs(seconds("timeout-seconds", self.timeout_seconds, otlp.timeout)?);
            otlp.give_up = Duration::from_secs(seconds("give-up-seconds", self.give_up_seconds, otlp.give_up)?);
            otlp.queue_records = self.queue()?;
            otlp.headers = self.headers.unwrap_or_default();
        }
        Ok(config)
    }
}
