//! How hard an exporter tries.

use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;
use super::table::Table;

/// For receivers that say what they took: how much at once, how long, and where records wait meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// Records per request at most.
    pub batch_records: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long records are tried again before they are given up; without meaning when there is a spool.
    pub give_up: Duration,
    /// Where records wait on disk; none: in memory only.
    pub spool: Option<SpoolConfig>,
}

/// A spool on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Folder of its segments; made when it is missing. One exporter's own.
    pub folder: PathBuf,
    /// Bytes on disk at most; the oldest segment is dropped (counted) when it is full.
    pub max_octets: u64,
}

const MEBIBYTE: u64 = 1 << 20;

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { batch_records: 512, timeout: Duration::from_secs(10), give_up: Duration::from_secs(300), spool: None }
    }
}

impl DeliveryConfig {
    /// The keys `batch-records`, `timeout-seconds`, `give-up-seconds`, `spool` and `spool-mebibytes`.
    pub(crate) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let usual = Self::default();
        let batch_records = table.count("batch-records", usual.batch_records, (1, 100_000))?;
        let timeout = table.seconds("timeout-seconds", usual.timeout)?;
        let give_up = table.seconds("give-up-seconds", usual.give_up)?;
        let folder = table.read("spool", folder)?;
        let max_octets = table.number("spool-mebibytes", 256, (16, 1 << 20))? * MEBIBYTE;
        let spool = folder.map(|folder| SpoolConfig { folder, max_octets });
        Ok(Self { batch_records, timeout, give_up, spool })
    }
}

/// A folder has a name.
fn folder(path: &str) -> Result<PathBuf, &'static str> {
    if path.is_empty() || path.contains('\0') { Err("it names no folder") } else { Ok(path.into()) }
}
