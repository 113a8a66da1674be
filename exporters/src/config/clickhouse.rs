//! Exporters to ClickHouse.

use std::collections::BTreeMap;

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, HttpConfig};

/// An exporter to a ClickHouse table (`mappings/clickhouse.sql`) over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickHouseConfig {
    /// The server.
    pub http: HttpConfig,
    /// The table, optionally as `DATABASE.TABLE`.
    pub table: String,
    /// Settings of the server for each insert, such as `async_insert`.
    pub settings: BTreeMap<String, String>,
}

const DEFAULT_TABLE: &str = "flows";

impl OutputConfig for ClickHouseConfig {
    fn target(&self) -> String {
        format!("{} {}", self.http.url, self.table)
    }
}

impl ClickHouseConfig {
    /// An exporter to `url`, with defaults for everything else.
    ///
    /// # Errors
    /// As for [`HttpConfig::new`].
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self { http: HttpConfig::new(url)?, table: DEFAULT_TABLE.into(), settings: BTreeMap::new() })
    }

    /// The keys `table`, `settings` and those of HTTP.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let http = HttpConfig::read(table)?;
        let name = table.read("table", identifier)?.unwrap_or_else(|| DEFAULT_TABLE.into());
        let settings: BTreeMap<String, toml::Value> = table.take("settings")?.unwrap_or_default();
        let settings = settings.into_iter().map(setting).collect::<Result<_, _>>()?;
        Ok(Self { http, table: name, settings })
    }
}

/// Checks the table's name, because it becomes part of a statement.
fn identifier(name: &str) -> Result<String, &'static str> {
    let ok = name.split('.').count() <= 2 && name.split('.').all(is_plain);
    if ok { Ok(name.to_owned()) } else { Err("allowed are TABLE and DATABASE.TABLE of letters, digits and _") }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Refuses settings that the exporter itself sends.
fn setting((name, value): (String, toml::Value)) -> Result<(String, String), ConfigError> {
    let wrong = |reason: String| ConfigError::Value { key: "settings", reason };
    if !is_plain(&name) || ["query", "user", "password", "insert_deduplication_token"].contains(&name.as_str()) {
        return Err(wrong(format!("\"{name}\" is not a setting for inserts")));
    }
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(_) | toml::Value::Float(_) => value.to_string(),
        toml::Value::Boolean(on) => u8::from(on).to_string(),
        _ => return Err(wrong(format!("{name} is not a number, a string, true or false"))),
    };
    Ok((name, text))
}
