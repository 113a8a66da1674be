//! Records that wait on disk while the receiver is unreachable, and while the agent is not running.
//!
//! A spool is a folder of segments and a small file with the progress of delivery. A segment is a file of records, each
//! with length and checksum. Records have sequence numbers. They are not in the records: a segment's header contains
//! that of its first record. So the number of records missing after a crash is known exactly.
//!
//! Written records survive a crash of the agent at once, and a crash of the machine after at most [`SYNC_PERIOD`] plus
//! the time that the disk takes.

mod error;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod inner;
mod reader;
mod record;
mod segment;
mod state;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::SpoolConfig;
use crate::private_files;

pub use error::SpoolError;
use inner::Inner;
use state::StateFile;

/// Interval at which written data is synced to the disk.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// Interval at which the notes are checked if no change is reported.
const NOTE_PERIOD: Duration = Duration::from_secs(1);

/// The lock file, held by the agent that writes to the folder.
const LOCK: &str = "lock";

/// Whether a file in a spool's folder belongs to the spool, judged by its name.
pub(crate) fn is_own_file(path: &Path) -> bool {
    let is = |name| path.file_name().is_some_and(|n| n == name);
    is(LOCK) || is(state::NAME) || segment::is_segment(path)
}

/// What was found when a spool was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// Records that wait from earlier runs. Unreadable ones are reported when they are reached.
    pub(crate) waiting: u64,
    /// Records that an earlier run had accepted and that are not in the spool.
    pub(crate) lost: u64,
}

/// The outcome of records that were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Appended {
    /// Older records that were dropped to make room.
    pub(crate) dropped: usize,
    /// Records that could not be written.
    pub(crate) failed: usize,
}

/// What a reader receives.
#[derive(Debug)]
pub(crate) enum SpoolRead {
    /// The oldest undelivered records. `damaged` records are missing before them.
    Records { records: Vec<FlowRecord>, damaged: u64 },
    /// No record arrived in time.
    Empty,
    /// The oldest records cannot be read now, but are still in the spool.
    Failed(io::Error),
    /// The spool is closed and empty.
    Closed,
}

/// The spool of one exporter, shared by its writer and its reader. The lock is held during disk operations, which may
/// take any time. Threads that must not wait use only [`Self::expect`], [`Self::expect_less`] and [`Self::waiting`].
pub(crate) struct Spool {
    inner: Mutex<Inner>,
    changed: Condvar,
    state: StateFile,
    /// Number of records in the spool, as of the last change.
    waiting: AtomicU64,
    /// No more records will be appended.
    closed: AtomicBool,
    /// The thread that keeps the notes.
    noter: OnceLock<Thread>,
    /// Locked while the spool is in use.
    _lock: File,
}

impl Spool {
    /// Opens the folder, creates it if it is missing, and examines what earlier runs left there.
    pub(crate) fn open(config: &SpoolConfig) -> Result<(Self, Found), SpoolError> {
        let folder: Arc<Path> = config.folder.clone().into();
        let error = |source| SpoolError::Folder { folder: folder.to_path_buf(), source };
        let is_new = private_files::create_folder(&folder).map_err(error)?;
        let lock = lock(&folder)?;
        let state = StateFile::open(&folder).map_err(error)?;
        let segments = segment::scan(&folder).map_err(error)?;
        let (mut inner, found) = Inner::new(folder.clone(), config.max_octets, segments, &state);
        state.set_open().and_then(|()| state.set_delivered(inner.delivered())).map_err(error)?;
        state.set_accepted(inner.next_sequence()).map_err(error)?;
        inner.sync().map_err(error)?;
        // A run of the agent that finds the folder may not open the one above it.
        if is_new {
            sync_parent(&folder).map_err(error)?;
        }
        let spool = Self {
            waiting: AtomicU64::new(inner.waiting()),
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            state,
            closed: AtomicBool::new(false),
            noter: OnceLock::new(),
            _lock: lock,
        };
        Ok((spool, found))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this many records are about to arrive, so that after a crash the number of missing ones is known.
    pub(crate) fn expect(&self, records: usize) {
        self.state.add_accepted(records as u64);
        self.wake_noter();
    }

    /// Notes that this many expected records will not arrive, for a reason that is counted elsewhere.
    pub(crate) fn expect_less(&self, records: usize) {
        self.state.subtract_accepted(records as u64);
        self.wake_noter();
    }

    fn wake_noter(&self) {
        self.noter.get().inspect(|thread| thread.unpark());
    }

    /// Writes the number of expected records to the disk, until the spool is closed. This is the work of a separate
    /// thread, because the threads that expect must not wait for the disk, and the one that appends may be waiting for
    /// it.
    pub(crate) fn keep_notes(&self) {
        let _ = self.noter.set(thread::current());
        while !self.closed.load(Relaxed) {
            self.note();
            thread::park_timeout(NOTE_PERIOD);
        }
    }

    /// If the note cannot be written, only the count is lost, not the record. Writing the record will report the error.
    fn note(&self) {
        let _ = self.state.note_accepted();
    }

    /// Writes the records, and drops the oldest ones if there is no room.
    pub(crate) fn append(&self, records: &[FlowRecord]) -> (Appended, io::Result<()>) {
        let mut inner = self.lock();
        let answer = inner.append(records);
        self.publish(&inner);
        drop(inner);
        if answer.0.failed > 0 {
            self.expect_less(answer.0.failed);
        }
        self.changed.notify_all();
        answer
    }

    /// For threads that must not wait for the lock.
    fn publish(&self, inner: &Inner) {
        self.waiting.store(inner.waiting(), Relaxed);
    }

    /// How soon written data must be synced to the disk; none: all of it is there.
    pub(crate) fn sync_due(&self) -> Option<Duration> {
        self.lock().sync_due()
    }

    /// Syncs to the disk what is due.
    pub(crate) fn sync_if_due(&self) -> io::Result<()> {
        self.lock().sync_if_due()
    }

    /// No more records will be appended.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        self.closed.store(true, Relaxed);
        // Nobody is left to report an error to. If the machine crashes now, the last second is lost.
        let (_, end) = (inner.sync(), inner.next_sequence());
        drop(inner);
        self.note();
        let _ = self.state.set_closed(end);
        self.wake_noter();
        self.changed.notify_all();
    }

    /// The oldest records, at most `limit`; waits at most this long for some. Returns the same records until they are
    /// [`Self::delivered`].
    pub(crate) fn next(&self, limit: usize, timeout: Duration) -> SpoolRead {
        let idle = |inner: &mut Inner| inner.waiting() == 0 && !self.closed.load(Relaxed);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, idle);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut damaged = 0;
        loop {
            damaged += inner.skip_gap();
            let Some(place) = inner.place() else { return self.nothing(&inner, damaged) };
            // This reads without the lock, because a thread that appends must not wait for the disk and the decoder.
            drop(inner);
            let read = match place.read(limit) {
                Ok(read) => read,
                Err(e) => return SpoolRead::Failed(e),
            };
            inner = self.lock();
            // The records read may have been dropped meanwhile to make room.
            if inner.is_past(&place) {
                continue;
            }
            let (records, more_damaged) = inner.accept(read);
            damaged += more_damaged;
            if !records.is_empty() {
                self.publish(&inner);
                return SpoolRead::Records { records, damaged };
            }
        }
    }

    fn nothing(&self, inner: &Inner, damaged: u64) -> SpoolRead {
        self.publish(inner);
        match (damaged, self.closed.load(Relaxed)) {
            (0, false) => SpoolRead::Empty,
            (0, true) => SpoolRead::Closed,
            _ => SpoolRead::Records { records: Vec::new(), damaged },
        }
    }

    /// Notes that this many of the records last read need not be kept. Returns how many of the others are not kept
    /// either, because they were dropped to make room.
    pub(crate) fn delivered(&self, records: usize) -> usize {
        let mut inner = self.lock();
        let given_up = inner.advance(records);
        let delivered = inner.delivered();
        self.publish(&inner);
        drop(inner);
        // Records whose delivery is not noted are delivered again after a restart: delivery is at least once.
        let _ = self.state.set_delivered(delivered);
        given_up
    }

    /// Sets a new maximum size in bytes.
    pub(crate) fn resize(&self, max_octets: u64) {
        self.lock().resize(max_octets);
    }

    /// Records inside.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }
}

/// A new folder is not on the disk until its parent folder has been synced.
fn sync_parent(folder: &Path) -> io::Result<()> {
    let folder = folder.canonicalize()?;
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Two agents that write to one folder would damage each other's segments.
fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join(LOCK);
    let error = |source| SpoolError::Folder { folder: folder.into(), source };
    let file = private_files::open(&path).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::InUse { folder: folder.into() }),
        Err(fs::TryLockError::Error(e)) => Err(error(e)),
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;
