//! Exporters of Parquet files.

use std::path::PathBuf;

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, FileMode};

const MEBIBYTE: u64 = 1 << 20;
/// Default size at which a file is finished.
const DEFAULT_MEBIBYTES: u64 = 128;
/// Default age at which a file is finished.
const DEFAULT_SECONDS: u64 = 300;

/// An exporter of Parquet files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetConfig {
    /// The folder with the partitions.
    pub folder: PathBuf,
    /// Number of bytes after which a file is finished; a file exceeds it by up to one row group.
    pub rotate_octets: u64,
    /// Age in seconds at which a file is finished.
    pub rotate_seconds: u64,
    /// Mode of new files; none: accessible to the owner only. New folders can be entered by those who may read the files.
    pub mode: Option<FileMode>,
}

impl OutputConfig for ParquetConfig {
    fn target(&self) -> String {
        self.folder.display().to_string()
    }

    /// Records are in a file's columns before the file is complete, so they cannot wait in a spool until it is.
    fn is_reliable(&self) -> bool {
        false
    }
}

impl ParquetConfig {
    /// Files in that folder, with defaults for everything else.
    ///
    /// # Errors
    /// The folder has no name.
    pub fn new(folder: &str) -> Result<Self, ConfigError> {
        if folder.is_empty() {
            return Err(ConfigError::Value { key: "folder", reason: "it is empty; write a folder's path".to_owned() });
        }
        let rotate_octets = DEFAULT_MEBIBYTES * MEBIBYTE;
        Ok(Self { folder: folder.into(), rotate_octets, rotate_seconds: DEFAULT_SECONDS, mode: None })
    }

    /// The keys `folder`, `rotate-mebibytes`, `rotate-seconds` and `mode`.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let usual = Self::new(&table.need::<String>("folder")?)?;
        let rotate_octets = table.number("rotate-mebibytes", DEFAULT_MEBIBYTES, (1, 1 << 20))? * MEBIBYTE;
        let rotate_seconds = table.number("rotate-seconds", DEFAULT_SECONDS, (1, 86_400))?;
        Ok(Self { rotate_octets, rotate_seconds, mode: table.take("mode")?, ..usual })
    }
}
