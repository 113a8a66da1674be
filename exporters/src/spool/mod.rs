//! Records that wait on disk: while the receiver is away, and while the agent is not running.
//!
//! A folder of segments, each a file of records one after the other with length and checksum, and a small file that says
//! how far delivery came. Records have a sequence number, which is in no record: a segment's header has that of its first. So what
//! is missing after a crash is known to the record.
//!
//! What has been written survives the agent's death at once, the machine's after [`SYNC_PERIOD`] at most.

mod error;
mod record;
mod segment;
mod state;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::SpoolConfig;

pub use error::SpoolError;
use segment::{Read, Segment, Writer};
use state::StateFile;

/// How often what was written is forced to the disk.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// A full spool gives up this part of its size at a time.
const SEGMENTS: u64 = 16;
const LARGEST_SEGMENT: u64 = 16 << 20;

/// What was found when a spool was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// Records that wait from earlier runs; those of them that cannot be read are told when their turn comes.
    pub(crate) waiting: u64,
    /// Records that an earlier run had taken, and of which the end of the spool knows nothing.
    pub(crate) lost: u64,
}

/// What became of records that were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Appended {
    /// Older records that had to go to make room.
    pub(crate) dropped: usize,
    /// Records that could not be written.
    pub(crate) failed: usize,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Next {
    /// The oldest records that were not delivered. `damaged` are missing before them.
    Records { records: Vec<FlowRecord>, damaged: u64 },
    /// Nothing came in time.
    Empty,
    /// The oldest records cannot be read now; they are still there.
    Failed(io::Error),
    /// Nothing is left and nothing will come.
    Closed,
}

/// The spool of one exporter, shared by who writes to it and who reads.
pub(crate) struct Spool {
    inner: Mutex<Inner>,
    changed: Condvar,
    state: StateFile,
    /// Locked for as long as the spool is in use.
    lock_file: File,
}

struct Inner {
    folder: Arc<Path>,
    max_octets: u64,
    segments: VecDeque<Segment>,
    writer: Option<Writer>,
    synced: Instant,
    /// Sequence number of the first record that is not known to be delivered.
    delivered: u64,
    /// Where that record is in the first segment; none: to be looked for.
    offset: Option<u64>,
    /// Where the record after those at hand is.
    after: Option<(u64, u64)>,
    closed: bool,
}

impl Spool {
    /// Opens the folder, makes it when it is missing, and looks at what earlier runs left there.
    pub(crate) fn open(config: &SpoolConfig) -> Result<(Self, Found), SpoolError> {
        let folder: Arc<Path> = config.folder.clone().into();
        let error = |source| SpoolError::Folder { folder: folder.to_path_buf(), source };
        fs::create_dir_all(&folder).map_err(error)?;
        let lock = lock(&folder)?;
        let state = StateFile::open(&folder).map_err(error)?;
        let segments = segment::scan(&folder).map_err(error)?;
        let (inner, found) = Inner::new(folder.clone(), config.max_octets, segments, &state);
        state.set_accepted(inner.next_sequence()).map_err(error)?;
        Ok((Self { inner: Mutex::new(inner), changed: Condvar::new(), state, lock_file: lock }, found))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this many records are on their way here, so that after a crash it is known how many never came.
    pub(crate) fn expect(&self, records: usize) {
        // A note that cannot be written costs the knowledge, not the record; writing the record will say what is wrong.
        let _ = self.state.add_accepted(records as u64);
    }

    /// Notes that this many records that were expected will not come, for a reason that is counted elsewhere.
    pub(crate) fn expect_less(&self, records: usize) {
        // As with `expect`.
        let _ = self.state.subtract_accepted(records as u64);
    }

    /// Writes the records, giving up the oldest ones where there is no room.
    pub(crate) fn append(&self, records: &[FlowRecord]) -> (Appended, io::Result<()>) {
        let answer = self.lock().append(records);
        if answer.0.failed > 0 {
            self.expect_less(answer.0.failed);
        }
        self.changed.notify_all();
        answer
    }

    /// Nothing more will be appended.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        if let Some(writer) = &inner.writer {
            // Nobody is left to hear of it; a machine that goes down now loses the last second.
            let _ = writer.sync();
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// The oldest records, at most `limit`, waiting for some at most this long. The same ones until they are [`Self::delivered`].
    pub(crate) fn next(&self, limit: usize, timeout: Duration) -> Next {
        let idle = |inner: &mut Inner| inner.waiting() == 0 && !inner.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, idle);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut damaged = 0;
        loop {
            damaged += inner.skip_gap();
            let Some(place) = inner.place() else { return inner.nothing(damaged) };
            // Without the lock: whoever appends must not wait for the disk and the decoder.
            drop(inner);
            let read = match place.read(limit) {
                Ok(read) => read,
                Err(e) => return Next::Failed(e),
            };
            inner = self.lock();
            // To make room, what was read may have been given up meanwhile.
            if inner.delivered != place.from {
                continue;
            }
            let (records, more_damaged) = inner.accept(read);
            damaged += more_damaged;
            if !records.is_empty() {
                return Next::Records { records, damaged };
            }
        }
    }

    /// Takes note that this many of the records at hand need not be kept.
    pub(crate) fn delivered(&self, records: usize) {
        let delivered = self.lock().advance(records);
        // What is not noted is delivered again after a restart: at least once.
        let _ = self.state.set_delivered(delivered);
    }

    /// Lets another exporter have the folder, once nobody writes or reads here any more.
    pub(crate) fn release(&self) {
        if let Err(e) = self.lock_file.unlock() {
            tracing::warn!("cannot unlock a spool: {e}");
        }
    }

    /// Records inside.
    pub(crate) fn waiting(&self) -> u64 {
        self.lock().waiting()
    }
}

/// Two agents that write to one folder would spoil each other's segments.
fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let error = |source| SpoolError::Folder { folder: folder.into(), source };
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::InUse { folder: folder.into() }),
        Err(fs::TryLockError::Error(e)) => Err(error(e)),
    }
}

/// Where the oldest record is.
struct Place {
    folder: Arc<Path>,
    segment: Segment,
    /// Its sequence number.
    from: u64,
    /// Where it is in the segment; none: to be looked for.
    offset: Option<u64>,
}

impl Place {
    fn read(&self, limit: usize) -> io::Result<Read> {
        self.segment.read(&self.folder, self.from, self.offset, limit)
    }
}

impl Inner {
    fn new(folder: Arc<Path>, max_octets: u64, segments: VecDeque<Segment>, state: &StateFile) -> (Self, Found) {
        let (delivered, accepted) = state.read();
        let next = segments.back().map_or(delivered, Segment::end);
        let first = segments.front().map_or(delivered, |s| s.first);
        // A note of delivery that was not written, or that belongs to other segments.
        let delivered = if (first..=next).contains(&delivered) { delivered } else { first };
        let found = Found { waiting: next - delivered, lost: accepted.saturating_sub(next) };
        let inner = Self {
            folder,
            max_octets,
            segments,
            writer: None,
            synced: Instant::now(),
            delivered,
            offset: None,
            after: None,
            closed: false,
        };
        (inner, found)
    }

    fn next_sequence(&self) -> u64 {
        self.segments.back().map_or(self.delivered, Segment::end)
    }

    fn waiting(&self) -> u64 {
        self.next_sequence() - self.delivered
    }

    fn append(&mut self, records: &[FlowRecord]) -> (Appended, io::Result<()>) {
        let (mut appended, mut result) = (Appended { dropped: self.make_room(), failed: 0 }, Ok(()));
        let mut rest = records;
        while !rest.is_empty() && result.is_ok() {
            let (written, outcome) = self.write(rest);
            rest = rest.get(written..).unwrap_or_default();
            result = outcome;
        }
        appended.failed = rest.len();
        if result.is_err() {
            self.writer = None;
        }
        (appended, result.and_then(|()| self.sync_now_and_then()))
    }

    /// Writes as many as fit into the current segment. Returns how many.
    fn write(&mut self, records: &[FlowRecord]) -> (usize, io::Result<()>) {
        let largest = (self.max_octets / SEGMENTS).min(LARGEST_SEGMENT);
        let writer = match self.current(largest) {
            Ok(writer) => writer,
            Err(e) => return (0, Err(e)),
        };
        let (written, result) = writer.append(records, largest);
        let octets = writer.octets();
        if let Some(segment) = self.segments.back_mut() {
            segment.records += written as u64;
            segment.octets = octets;
        }
        (written, result)
    }

    /// The segment that is written to, a new one where the last is full.
    fn current(&mut self, largest: u64) -> io::Result<&mut Writer> {
        let writer = match self.writer.take().filter(|w| w.octets() < largest) {
            Some(writer) => writer,
            None => {
                let first = self.next_sequence();
                self.segments.retain(|s| s.first != first);
                let (segment, writer) = Segment::create(&self.folder, first)?;
                self.segments.push_back(segment);
                writer
            }
        };
        Ok(self.writer.insert(writer))
    }

    /// Returns how many records were given up.
    fn make_room(&mut self) -> usize {
        let mut dropped = 0;
        while self.segments.len() > 1 && self.segments.iter().map(|s| s.octets).sum::<u64>() >= self.max_octets {
            let Some(segment) = self.segments.pop_front() else { break };
            segment.remove(&self.folder);
            dropped += segment.end().saturating_sub(self.delivered.max(segment.first));
            self.delivered = self.delivered.max(segment.end());
            (self.offset, self.after) = (None, None);
        }
        usize::try_from(dropped).unwrap_or(usize::MAX)
    }

    fn sync_now_and_then(&mut self) -> io::Result<()> {
        if self.synced.elapsed() < SYNC_PERIOD {
            return Ok(());
        }
        self.synced = Instant::now();
        self.writer.as_ref().map_or(Ok(()), Writer::sync)
    }

    /// Passes what is missing before the oldest record. Returns how many those are.
    fn skip_gap(&mut self) -> u64 {
        self.forget_delivered();
        let first = self.segments.front().map_or(self.delivered, |s| s.first);
        // Where segments do not follow one another, what was between them is gone.
        let gap = first.saturating_sub(self.delivered);
        self.delivered += gap;
        gap
    }

    /// Where the oldest record is; none: nothing waits.
    fn place(&self) -> Option<Place> {
        let segment = self.segments.front().filter(|_| self.waiting() > 0)?.clone();
        Some(Place { folder: self.folder.clone(), segment, from: self.delivered, offset: self.offset })
    }

    /// Takes over what was read of the oldest records. Returns them, and how many could not be read.
    fn accept(&mut self, read: Read) -> (Vec<FlowRecord>, u64) {
        let Read { records, from, after, until } = read;
        self.offset = from;
        if !records.is_empty() {
            self.after = Some((self.delivered + records.len() as u64, after));
            return (records, 0);
        }
        let damaged = until - self.delivered;
        self.delivered = until;
        self.offset = None;
        (records, damaged)
    }

    const fn nothing(&self, damaged: u64) -> Next {
        match (damaged, self.closed) {
            (0, false) => Next::Empty,
            (0, true) => Next::Closed,
            _ => Next::Records { records: Vec::new(), damaged },
        }
    }

    /// Removes segments of which nothing is left to deliver; the last one is still written to.
    fn forget_delivered(&mut self) {
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| s.end() <= self.delivered) {
            if let Some(segment) = self.segments.pop_front() {
                segment.remove(&self.folder);
            }
            self.offset = None;
        }
    }

    /// Returns the sequence number of the next record to deliver.
    fn advance(&mut self, records: usize) -> u64 {
        // None when the records at hand were given up meanwhile.
        if let Some((end, offset)) = self.after.take() {
            let reached = self.delivered + records as u64;
            self.offset = (reached == end).then_some(offset);
            self.delivered = reached.min(end);
        }
        self.forget_delivered();
        self.delivered
    }
}

#[cfg(test)]
mod tests;
