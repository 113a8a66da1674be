//! Exporters to OpenTelemetry receivers.

use super::table::Table;
use super::{ConfigError, HttpConfig};

/// An exporter of OpenTelemetry log records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The receiver.
    pub http: HttpConfig,
}

impl OtlpConfig {
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        Ok(Self { http: HttpConfig::read(table)? })
    }
}
