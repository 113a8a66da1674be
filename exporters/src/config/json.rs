//! Exporters of JSON lines.

use std::path::PathBuf;

use super::ConfigError;
use super::table::Table;
use crate::json::JsonKeys;

/// Where JSON lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonOutput {
    /// Standard output.
    Stdout,
    /// Appended to this file, which is made when it is missing.
    File(PathBuf),
}

/// An exporter of JSON lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonConfig {
    /// Where to.
    pub output: JsonOutput,
    /// Names or numbers.
    pub keys: JsonKeys,
}

impl JsonConfig {
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let file: String = table.need("file")?;
        Ok(Self { output: JsonOutput::file(&file), keys: table.take("keys")?.unwrap_or_default() })
    }
}

impl JsonOutput {
    /// A file, or with `-` standard output.
    pub(super) fn file(name: &str) -> Self {
        if name == "-" { Self::Stdout } else { Self::File(name.into()) }
    }
}
