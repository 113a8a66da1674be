//! Exporters of Parquet files.

use std::path::PathBuf;

use super::environment::Lookup;
use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, FileMode, S3Config};

const MEBIBYTE: u64 = 1 << 20;
/// Default size at which a file is finished.
const DEFAULT_MEBIBYTES: u64 = 128;
/// The same of an object, which is in memory until then.
const DEFAULT_OBJECT_MEBIBYTES: u64 = 16;
const MAX_OBJECT_MEBIBYTES: u64 = 1024;
/// Default age at which a file is finished.
const DEFAULT_SECONDS: u64 = 300;

/// An exporter of Parquet files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetConfig {
    /// Where the files are.
    pub to: ParquetTarget,
    /// Number of bytes after which a file is finished; a file exceeds it by up to one row group.
    pub rotate_octets: u64,
    /// Age in seconds at which a file is finished.
    pub rotate_seconds: u64,
}

/// Where the partitions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParquetTarget {
    /// In a folder.
    Folder {
        /// The folder; it is created if it is missing.
        folder: PathBuf,
        /// Mode of new files; none: accessible to the owner only. New folders can be entered by those who may read the files.
        mode: Option<FileMode>,
    },
    /// In an S3-compatible store.
    S3(Box<S3Config>),
}

impl OutputConfig for ParquetConfig {
    fn target(&self) -> String {
        match &self.to {
            ParquetTarget::Folder { folder, .. } => folder.display().to_string(),
            ParquetTarget::S3(s3) => s3.address(),
        }
    }

    /// Records are in a file's columns before the file is complete, so they cannot wait in a spool until it is.
    fn is_reliable(&self) -> bool {
        false
    }
}

impl ParquetConfig {
    /// Files in that folder or below `s3://BUCKET/PREFIX`, with defaults for everything else.
    ///
    /// # Errors
    /// The folder has no name, or [`S3Config::new`] has an error.
    pub fn new(to: &str, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        match S3Config::is_address(to) {
            true => Ok(Self::of(ParquetTarget::S3(Box::new(S3Config::new(to, lookup)?)))),
            false => Ok(Self::of(ParquetTarget::Folder { folder: folder(to)?, mode: None })),
        }
    }

    const fn of(to: ParquetTarget) -> Self {
        let mebibytes = match to {
            ParquetTarget::Folder { .. } => DEFAULT_MEBIBYTES,
            ParquetTarget::S3(_) => DEFAULT_OBJECT_MEBIBYTES,
        };
        Self { to, rotate_octets: mebibytes * MEBIBYTE, rotate_seconds: DEFAULT_SECONDS }
    }

    /// The keys `folder` and `mode`, or `url` and those of [`S3Config`]; `rotate-mebibytes` and `rotate-seconds`.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let (to, most) = match (table.take::<String>("folder")?, table.take::<String>("url")?) {
            (Some(path), None) => {
                let (folder, mode) = (folder(&path)?, table.take("mode")?);
                (ParquetTarget::Folder { folder, mode }, 1 << 20)
            }
            (None, Some(url)) => {
                let s3 = S3Config::read(&url, table, &|name| std::env::var(name).ok())?;
                (ParquetTarget::S3(Box::new(s3)), MAX_OBJECT_MEBIBYTES)
            }
            (Some(_), Some(_)) => {
                let reason = "`folder` is set too; give one of them".to_owned();
                return Err(ConfigError::Value { key: "url", reason });
            }
            (None, None) => return Err(ConfigError::Missing { kind: "parquet", key: "folder` or `url" }),
        };
        let usual = Self::of(to);
        let rotate_octets = table.number("rotate-mebibytes", usual.rotate_octets / MEBIBYTE, (1, most))? * MEBIBYTE;
        let rotate_seconds = table.number("rotate-seconds", usual.rotate_seconds, (1, 86_400))?;
        Ok(Self { rotate_octets, rotate_seconds, ..usual })
    }

    /// The folder, unless the files are in a store.
    #[must_use]
    pub const fn folder(&self) -> Option<&PathBuf> {
        match &self.to {
            ParquetTarget::Folder { folder, .. } => Some(folder),
            ParquetTarget::S3(_) => None,
        }
    }
}

fn folder(path: &str) -> Result<PathBuf, ConfigError> {
    if path.is_empty() || path.contains("://") {
        let reason = "write a folder's path, or s3://BUCKET/PREFIX as `url`".to_owned();
        return Err(ConfigError::Value { key: "folder", reason });
    }
    Ok(path.into())
}
