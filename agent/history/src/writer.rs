//! Writes records into the folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use pidflow_schema::FlowRecord;

use crate::HistoryError;
use crate::file_name::FileName;
use crate::hour::HourFile;
use crate::retention::{Retention, set_aside, size};

/// Permission bits of the folder.
const FOLDER_MODE: u32 = 0o700;

/// The result of a commit.
#[derive(Debug, Default)]
pub struct Committed {
    /// Records that are safe now, even if the process is killed.
    pub records: u64,
    /// Records that are lost.
    pub lost: u64,
    /// Why; also without lost records, if files could not be removed.
    pub error: Option<HistoryError>,
    /// A damaged file that was renamed, with its new name.
    pub set_aside: Option<PathBuf>,
}

/// Writes records. A failed write costs the records since the last commit, and the next one tries again.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    retention: Retention,
    open: Option<HourFile>,
    /// The last file of each hour.
    last: Option<FileName>,
    result: Committed,
}

impl Writer {
    /// Creates the folder if it is missing.
    ///
    /// # Errors
    /// The folder cannot be created or read.
    pub fn new(folder: &Path, retention: Retention) -> Result<Self, HistoryError> {
        let failed = |e| HistoryError::io(folder, e);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
        }
        // Links on the way to a file are refused, those on the way to the folder are the operator's.
        let folder = folder.canonicalize().map_err(failed)?;
        FileName::all(&folder)?;
        Ok(Self { folder, retention, open: None, last: None, result: Committed::default() })
    }

    /// Adds records, which are safe after the next [`Self::commit`]. `now_ns` (wall time, nanoseconds since the epoch) determines the
    /// file.
    pub fn add(&mut self, records: &[FlowRecord], now_ns: u64) {
        if let Err(error) = self.try_add(records, now_ns) {
            self.fail(error, records.len() as u64);
        }
    }

    fn try_add(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), HistoryError> {
        self.file(now_ns)?.add(records)
    }

    /// The file that is written at this time.
    fn file(&mut self, now_ns: u64) -> Result<&mut HourFile, HistoryError> {
        let hour = FileName::at(now_ns).hour;
        let file = match self.open.take() {
            Some(file) if file.name.hour == hour => file,
            other => {
                other.map_or(Ok(()), |file| self.finish(file))?;
                let name = self.newest_of(hour)?;
                self.last = Some(name);
                HourFile::open(&self.folder, name)?
            }
        };
        Ok(self.open.insert(file))
    }

    /// The last file of the hour, which may not exist yet.
    fn newest_of(&self, hour: u32) -> Result<FileName, HistoryError> {
        let names = FileName::all(&self.folder)?;
        let newest = names.into_iter().rfind(|name| name.hour == hour);
        Ok(newest.unwrap_or(FileName { hour, part: 0 }))
    }

    fn finish(&mut self, mut file: HourFile) -> Result<(), HistoryError> {
        let pending = file.pending();
        match file.commit() {
            Ok(records) => self.result.records += records,
            Err(error) => {
                self.result.lost += pending;
                return Err(error);
            }
        }
        file.finish()
    }

    /// The records since the last commit are lost, and `more`.
    fn fail(&mut self, error: HistoryError, more: u64) {
        self.result.lost += more + self.open.take().map_or(0, |file| file.pending());
        if error.is_damage() {
            self.result.set_aside = self.last.and_then(|name| set_aside(&self.folder, name).ok());
        }
        self.result.error = Some(error);
    }

    /// Makes the records since the last commit safe, and removes files that are too old or too many.
    pub fn commit(&mut self, now_ns: u64) -> Committed {
        let pending = self.open.as_ref().map_or(0, HourFile::pending);
        match self.open.as_mut().map_or(Ok(0), HourFile::commit) {
            Ok(records) => self.result.records += records,
            Err(error) => self.fail(error, pending),
        }
        if let Err(error) = self.limit(now_ns) {
            self.result.error = Some(error);
        }
        std::mem::take(&mut self.result)
    }

    /// Keeps the folder within its limits.
    fn limit(&mut self, now_ns: u64) -> Result<(), HistoryError> {
        let Some(name) = self.open.as_ref().map(|file| file.name) else { return Ok(()) };
        if size(&self.folder, name) > self.retention.max_file_bytes()
            && let Some(file) = self.open.take()
        {
            self.finish(file)?;
            self.open = Some(HourFile::open(&self.folder, name.next_part())?);
            self.last = Some(name.next_part());
        }
        let current = self.last.unwrap_or(name);
        self.retention.apply(&self.folder, current, now_ns)
    }
}

impl Drop for Writer {
    /// A file that nobody writes has no others beside it, so that readers need not make them again.
    fn drop(&mut self) {
        if let Some(file) = self.open.take() {
            // Nobody is there any more to whom a failure could be reported; what was committed is safe.
            let _ = self.finish(file);
        }
    }
}
