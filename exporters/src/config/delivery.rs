//! How an exporter retries.

use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;
use super::table::Table;

/// Delivery to receivers that confirm what they accepted: batch size, times, and where records wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// Maximum number of records per request.
    pub batch_records: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long records are retried before they are given up; no effect with a spool.
    pub give_up: Duration,
    /// Where records wait on disk; none: in memory only.
    pub spool: Option<SpoolConfig>,
}

/// A spool on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Folder of its segments, created if it is missing. Each exporter needs its own.
    pub folder: PathBuf,
    /// Maximum bytes on disk; when the spool is full, the oldest segment is dropped and counted.
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

/// The folder's name must not be empty.
fn folder(path: &str) -> Result<PathBuf, &'static str> {
    if path.is_empty() || path.contains('\0') { Err("it names no folder") } else { Ok(path.into()) }
}
