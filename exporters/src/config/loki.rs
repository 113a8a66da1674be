//! Exporters to Grafana Loki.

use std::collections::BTreeMap;

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, HttpConfig};

/// An exporter to Loki's push API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LokiConfig {
    /// The server.
    pub http: HttpConfig,
    /// Labels of the stream in addition to `host`. They are the same for all records, because labels that differ from
    /// flow to flow would create a stream for each flow.
    pub labels: BTreeMap<String, String>,
}

impl OutputConfig for LokiConfig {
    fn target(&self) -> String {
        self.http.url.clone()
    }
}

impl LokiConfig {
    /// The key `labels` and those of HTTP.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let http = HttpConfig::read(table)?;
        let mut labels: BTreeMap<String, String> = table.take("labels")?.unwrap_or_default();
        if let Some(name) = labels.keys().find(|name| !is_label(name)) {
            let reason = format!(
                "\"{name}\" is not a valid label name: use letters, digits and _, and begin with neither a digit nor __"
            );
            return Err(ConfigError::Value { key: "labels", reason });
        }
        labels.entry("job".into()).or_insert_with(|| "pidflow".into());
        Ok(Self { http, labels })
    }
}

/// Label names follow Prometheus' rules.
fn is_label(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.starts_with("__")
}
