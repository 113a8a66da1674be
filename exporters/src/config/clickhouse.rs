//! Exporters to ClickHouse.

use super::table::Table;
use super::{ConfigError, HttpConfig};

/// An exporter to a ClickHouse table (`mappings/clickhouse.sql`) over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickHouseConfig {
    /// The server.
    pub http: HttpConfig,
    /// The table, maybe with its database before a dot.
    pub table: String,
}

impl ClickHouseConfig {
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let http = HttpConfig::read(table)?;
        let name = table.read("table", identifier)?;
        Ok(Self { http, table: name.unwrap_or_else(|| "flows".into()) })
    }
}

/// It becomes part of a statement.
fn identifier(name: &str) -> Result<String, &'static str> {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let ok = name.split('.').count() <= 2 && name.split('.').all(plain);
    if ok { Ok(name.to_owned()) } else { Err("allowed are TABLE and DATABASE.TABLE of letters, digits and _") }
}
