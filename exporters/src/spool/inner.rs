//! The operations on a spool's segments, under its lock.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use super::segment::{Read, Segment, Writer};
use super::state::{Notes, StateFile};
use super::{Appended, Found, SYNC_PERIOD};

/// A full spool drops this fraction of its size at a time.
const SEGMENTS_PER_SPOOL: u64 = 16;
const MAX_SEGMENT: u64 = 16 << 20;

/// The segments, and the positions of reading and writing.
pub(super) struct Inner {
    folder: Arc<Path>,
    max_octets: u64,
    segments: VecDeque<Segment>,
    writer: Option<Writer>,
    /// Since when there is data that may not be on the disk yet; none: all data is on the disk.
    unsynced: Option<Instant>,
    /// Whether files were created or deleted that the folder on the disk may not reflect yet.
    folder_changed: bool,
    /// Sequence number of the first record that is not known to be delivered.
    delivered: u64,
    /// Offset of that record in the first segment; none: must be searched.
    offset: Option<u64>,
    /// Position of the record after those last read.
    after: Option<(u64, u64)>,
    /// Number of records last read that were dropped to make room.
    given_up: u64,
    /// Sequence number of the first record of this run.
    least_next: u64,
}

/// Position of the oldest record.
pub(super) struct OldestRecord {
    segment: Segment,
    /// Its sequence number.
    from: u64,
    /// Offset in the segment; none: must be searched.
    offset: Option<u64>,
}

impl OldestRecord {
    pub(super) fn read(&self, limit: usize) -> io::Result<Read> {
        self.segment.read(self.from, self.offset, limit)
    }
}

impl Inner {
    pub(super) fn new(
        folder: Arc<Path>,
        max_octets: u64,
        segments: VecDeque<Segment>,
        state: &StateFile,
    ) -> (Self, Found) {
        let Notes { delivered, accepted, was_closed } = state.read();
        let found = segments.back().map_or(delivered.unwrap_or(0), Segment::end);
        // After an orderly end, records missing in the segments are damage.
        let next = if was_closed { found.max(accepted) } else { found };
        let first = segments.front().map_or(next, |s| s.first);
        // A crash may have happened after a segment was completed and before that was noted.
        let known = delivered.filter(|d| (was_closed || *d >= first) && *d <= next);
        // The note is missing, or belongs to other segments.
        let delivered = known.unwrap_or(first);
        let found = Found { waiting: next - delivered, lost: accepted.saturating_sub(next) };
        let inner = Self {
            folder,
            max_octets,
            segments,
            writer: None,
            unsynced: None,
            folder_changed: true,
            delivered,
            offset: None,
            after: None,
            given_up: 0,
            least_next: next,
        };
        (inner, found)
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.segments.back().map_or(self.delivered, Segment::end).max(self.least_next)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.next_sequence() - self.delivered
    }

    pub(super) fn append(&mut self, records: &[FlowRecord]) -> (Appended, io::Result<()>) {
        let (mut appended, mut result) = (Appended { dropped: self.make_room(), failed: 0 }, Ok(()));
        let mut rest = records;
        while !rest.is_empty() && result.is_ok() {
            let (written, outcome) = self.write(rest);
            rest = rest.get(written..).unwrap_or_default();
            result = outcome;
        }
        appended.failed = rest.len();
        if result.is_err() {
            // The first error is reported. Data written before it may be complete.
            let _ = self.writer.take().map(|w| w.sync());
        }
        self.has_changed();
        (appended, result.and_then(|()| self.sync_if_due()))
    }

    /// Writes as many records as fit into the current segment. Returns how many.
    fn write(&mut self, records: &[FlowRecord]) -> (usize, io::Result<()>) {
        let largest = (self.max_octets / SEGMENTS_PER_SPOOL).min(MAX_SEGMENT);
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

    /// The current segment for writing, or a new one if the last one is full.
    fn current(&mut self, largest: u64) -> io::Result<&mut Writer> {
        let writer = match self.writer.take() {
            Some(writer) if writer.octets() < largest => writer,
            full => {
                full.as_ref().map_or(Ok(()), Writer::sync)?;
                self.begin()?
            }
        };
        Ok(self.writer.insert(writer))
    }

    fn begin(&mut self) -> io::Result<Writer> {
        let first = self.next_sequence();
        // If a segment with the same number exists, nothing in it could be read.
        while let Some(empty) = self.segments.pop_back_if(|s| s.first == first) {
            self.remove(&empty);
        }
        let (segment, writer) = Segment::create(&self.folder, first)?;
        self.segments.push_back(segment);
        self.folder_changed = true;
        Ok(writer)
    }

    fn remove(&mut self, segment: &Segment) {
        segment.remove();
        self.folder_changed = true;
        self.has_changed();
    }

    /// Drops the oldest segment. Returns how many records were dropped, without those last read, whose outcome is not
    /// known yet.
    fn make_room(&mut self) -> usize {
        let mut dropped = 0;
        while self.segments.len() > 1 && self.segments.iter().map(|s| s.octets).sum::<u64>() >= self.max_octets {
            let Some(segment) = self.segments.pop_front() else { break };
            self.remove(&segment);
            if let Some((end, _)) = self.after.take() {
                self.given_up += end - self.delivered;
                self.delivered = end;
            }
            dropped += segment.end().saturating_sub(self.delivered.max(segment.first));
            self.delivered = self.delivered.max(segment.end());
            self.offset = None;
        }
        usize::try_from(dropped).unwrap_or(usize::MAX)
    }

    pub(super) const fn resize(&mut self, max_octets: u64) {
        self.max_octets = max_octets;
    }

    fn has_changed(&mut self) {
        self.unsynced.get_or_insert_with(Instant::now);
    }

    pub(super) fn sync_due(&self) -> Option<Duration> {
        self.unsynced.map(|since| SYNC_PERIOD.saturating_sub(since.elapsed()))
    }

    pub(super) fn sync_if_due(&mut self) -> io::Result<()> {
        if self.sync_due().is_some_and(|due| due.is_zero()) { self.sync() } else { Ok(()) }
    }

    /// Syncs everything to the disk. What fails is tried again when more has been written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.unsynced = None;
        if std::mem::take(&mut self.folder_changed) {
            File::open(&self.folder)?.sync_all()?;
        }
        self.writer.as_ref().map_or(Ok(()), Writer::sync)
    }

    /// Skips missing records before the oldest one. Returns how many they are.
    pub(super) fn skip_gap(&mut self) -> u64 {
        self.forget_delivered();
        let unread = self.segments.front().filter(|s| s.end() > self.delivered);
        // If the numbers of segments have gaps, the records between them are lost, and so are those after the last one.
        let first = unread.map_or(self.next_sequence(), |s| s.first);
        let gap = first.saturating_sub(self.delivered);
        self.delivered += gap;
        gap
    }

    /// Position of the oldest record; none: no record waits.
    pub(super) fn place(&self) -> Option<OldestRecord> {
        let segment = self.segments.front().filter(|_| self.waiting() > 0)?.clone();
        Some(OldestRecord { segment, from: self.delivered, offset: self.offset })
    }

    /// Accepts the oldest records that were read. Returns them, and how many could not be read.
    pub(super) fn accept(&mut self, read: Read) -> (Vec<FlowRecord>, u64) {
        let Read { records, from, after, until } = read;
        self.offset = from;
        if !records.is_empty() {
            self.after = Some((self.delivered + records.len() as u64, after));
            return (records, 0);
        }
        let damaged = until - self.delivered;
        self.delivered = until;
        (records, damaged)
    }

    /// Whether the records read at that position are no longer the oldest.
    pub(super) const fn is_past(&self, place: &OldestRecord) -> bool {
        self.delivered != place.from
    }

    /// Sequence number of the next record to deliver.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Removes segments that are completely delivered, except the last one, which is still written to.
    fn forget_delivered(&mut self) {
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| s.end() <= self.delivered) {
            if let Some(segment) = self.segments.pop_front() {
                self.remove(&segment);
            }
            self.offset = None;
        }
    }

    /// Returns how many of the records last read were not delivered and are no longer in the spool.
    pub(super) fn advance(&mut self, records: usize) -> usize {
        // None if the records last read were dropped meanwhile.
        if let Some((end, offset)) = self.after.take() {
            let reached = self.delivered + records as u64;
            self.offset = (reached == end).then_some(offset);
            self.delivered = reached.min(end);
        }
        self.forget_delivered();
        let given_up = std::mem::take(&mut self.given_up);
        usize::try_from(given_up).unwrap_or(usize::MAX).saturating_sub(records)
    }
}
