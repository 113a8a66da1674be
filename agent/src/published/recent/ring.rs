//! The latest records, in the batches in which they arrived, so that no record is copied.

use std::collections::VecDeque;
use std::sync::Arc;

use pidflow_schema::{FlowRecord, kept_bytes};

use super::cursor::Place;

/// Larger batches are split, so that at most this many more records are kept than configured.
const MAX_BATCH_RECORDS: usize = 1024;

/// Records that arrived together, and the position of the first.
#[derive(Debug, Clone)]
struct Batch {
    first: u64,
    records: Arc<[FlowRecord]>,
    /// Memory that they keep, bytes.
    bytes: usize,
}

/// Keeps at least the latest `capacity` records, and at most [`MAX_BATCH_RECORDS`] more; fewer if these would exceed
/// `max_bytes`, but always the last batch.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    max_bytes: usize,
    held: usize,
    held_bytes: usize,
    next: u64,
    batches: VecDeque<Batch>,
}

impl Ring {
    /// Empty.
    pub(super) const fn new(capacity: usize, max_bytes: usize) -> Self {
        Self { capacity, max_bytes, held: 0, held_bytes: 0, next: 0, batches: VecDeque::new() }
    }

    /// Adds a batch, and drops batches that are too old.
    pub(super) fn push(&mut self, records: &Arc<[FlowRecord]>) {
        if records.len() <= MAX_BATCH_RECORDS {
            return self.push_chunk(Arc::clone(records));
        }
        // The older part of a large batch would be dropped immediately.
        let skipped = records.len().saturating_sub(self.capacity);
        self.next += skipped as u64;
        let kept = records.get(skipped..).unwrap_or_default();
        kept.chunks(MAX_BATCH_RECORDS).for_each(|chunk| self.push_chunk(chunk.into()));
    }

    fn push_chunk(&mut self, records: Arc<[FlowRecord]>) {
        let (first, bytes) = (self.next, kept_bytes(&records));
        self.held += records.len();
        self.held_bytes += bytes;
        self.next += records.len() as u64;
        self.batches.push_back(Batch { first, records, bytes });
        while self.batches.len() > 1 && self.oldest_is_too_much() {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.held -= oldest.records.len();
            self.held_bytes -= oldest.bytes;
        }
    }

    fn oldest_is_too_much(&self) -> bool {
        let oldest = self.batches.front().map_or(0, |b| b.records.len());
        self.held - oldest >= self.capacity || self.held_bytes > self.max_bytes
    }

    /// A snapshot of the records kept now.
    pub(super) fn records(&self) -> RecordSnapshot {
        RecordSnapshot { batches: self.batches.iter().cloned().collect() }
    }
}

/// Records as they were at one time.
#[derive(Debug)]
pub(crate) struct RecordSnapshot {
    batches: Vec<Batch>,
}

/// The records after a place.
#[derive(Debug)]
pub(crate) struct NewRecords<'a> {
    /// They, the oldest first.
    pub(crate) records: Vec<&'a FlowRecord>,
    /// The place of the newest; none: there are none.
    pub(crate) newest: Option<Place>,
    /// How many have been dropped before they could be read.
    pub(crate) missed: u64,
}

impl RecordSnapshot {
    /// Matching records before a place, the newest first.
    pub(crate) fn newest_first<'a>(
        &'a self,
        before: Place,
        matches: impl Fn(&FlowRecord) -> bool + 'a,
    ) -> impl Iterator<Item = (Place, &'a FlowRecord)> {
        let batches = self.batches.iter().rev().filter(move |b| b.first < before.0);
        let all = batches.flat_map(|b| b.records.iter().enumerate().rev().map(|(i, r)| (b.first + i as u64, r)));
        all.filter(move |(place, r)| *place < before.0 && matches(r)).map(|(place, r)| (Place(place), r))
    }

    /// The records after a place; none: all of them.
    pub(crate) fn since(&self, place: Option<Place>) -> NewRecords<'_> {
        let next = place.map_or(0, |place| place.0 + 1);
        let oldest = self.batches.first().map_or(next, |batch| batch.first);
        let is_new = |record: &(Place, &FlowRecord)| record.0.0 >= next;
        let newest_first = self.newest_first(Place::NEWEST, |_| true).take_while(is_new);
        let (places, mut records): (Vec<_>, Vec<_>) = newest_first.unzip();
        records.reverse();
        NewRecords { records, newest: places.first().copied(), missed: oldest.saturating_sub(next) }
    }

    /// The place of the oldest matching record.
    pub(crate) fn oldest(&self, matches: impl Fn(&FlowRecord) -> bool) -> Option<Place> {
        let mut all = self.batches.iter().flat_map(|b| (b.first..).zip(b.records.iter()));
        all.find(|(_, r)| matches(r)).map(|(place, _)| Place(place))
    }

    /// Whether the record at this place has been dropped since.
    pub(crate) fn lack(&self, place: Place) -> bool {
        self.batches.first().is_none_or(|b| place.0 < b.first)
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::Process;

    use super::*;

    const MAX_BYTES: usize = 1 << 30;

    fn batch(octets: std::ops::Range<u64>) -> Arc<[FlowRecord]> {
        octets.map(|n| crate::sample::record(1, 443, n)).collect()
    }

    fn seen(ring: &Ring, before: Place) -> Vec<u64> {
        ring.records().newest_first(before, |_| true).map(|(_, r)| r.flow.forward.octets).collect()
    }

    #[test]
    fn the_latest_are_kept_and_the_newest_comes_first() {
        let mut ring = Ring::new(5, MAX_BYTES);
        (0..10).for_each(|i| ring.push(&batch(i * 2..i * 2 + 2)));
        assert_eq!(seen(&ring, Place::NEWEST), [19, 18, 17, 16, 15, 14]);
    }

    #[test]
    fn pages_go_on_where_they_ended_whatever_came_meanwhile() {
        let mut ring = Ring::new(100, MAX_BYTES);
        ring.push(&batch(0..7));
        let (place, _) = ring.records().newest_first(Place::NEWEST, |_| true).nth(2).map(|(p, _)| (p, ())).unwrap();
        ring.push(&batch(7..20));
        assert_eq!(seen(&ring, place), [3, 2, 1, 0]);
    }

    #[test]
    fn a_reader_gets_what_is_new_and_learns_what_it_missed() {
        let mut ring = Ring::new(5, MAX_BYTES);
        let mut place = None;
        let mut read = |ring: &Ring| {
            let snapshot = ring.records();
            let new = snapshot.since(place);
            place = new.newest.or(place);
            (new.records.iter().map(|r| r.flow.forward.octets).collect::<Vec<_>>(), new.missed)
        };
        assert_eq!(read(&ring), (vec![], 0));
        ring.push(&batch(0..2));
        ring.push(&batch(2..3));
        assert_eq!(read(&ring), (vec![0, 1, 2], 0));
        assert_eq!(read(&ring), (vec![], 0));
        (3..20).for_each(|n| ring.push(&batch(n..n + 1)));
        assert_eq!(read(&ring), (vec![15, 16, 17, 18, 19], 12));
    }

    #[test]
    fn a_batch_larger_than_everything_leaves_its_end() {
        let mut ring = Ring::new(10, MAX_BYTES);
        ring.push(&batch(0..3));
        ring.push(&batch(3..5000));
        assert_eq!(seen(&ring, Place::NEWEST), (4990..5000).rev().collect::<Vec<_>>());
        ring.push(&batch(5000..5001));
        let (place, newest) =
            ring.records().newest_first(Place::NEWEST, |_| true).next().map(|(p, r)| (p, r.clone())).unwrap();
        assert_eq!((place, newest.flow.forward.octets), (Place(5000), 5000));
    }

    #[test]
    fn records_that_keep_much_are_fewer() {
        let with_command_line = |n: u64, bytes: usize| -> Arc<[FlowRecord]> {
            let command_line = n.to_string().repeat(bytes).into();
            let mut records = [crate::sample::record(1, 443, n)];
            records[0].source.process = Some(Arc::new(Process { command_line, ..Process::default() }));
            records.into()
        };
        let mut ring = Ring::new(10_000, 1 << 20);
        for n in 0..9000 {
            ring.push(&with_command_line(n % 10, 4096));
            assert!(ring.held_bytes <= 1 << 20, "{}", ring.held_bytes);
        }
        assert!((150..256).contains(&ring.held), "{}", ring.held);
        assert_eq!(ring.held_bytes, ring.batches.iter().map(|b| b.bytes).sum::<usize>());
        // A single batch above the limit is kept, and dropped when the next one arrives.
        ring.push(&with_command_line(7, 2 << 20));
        assert_eq!(ring.held, 1);
        ring.push(&with_command_line(8, 1));
        assert_eq!((ring.held, seen(&ring, Place::NEWEST)), (1, vec![8]));
    }

    #[test]
    fn no_more_is_held_than_was_asked_for_and_a_chunk() {
        let mut ring = Ring::new(3000, MAX_BYTES);
        for _ in 0..20 {
            ring.push(&batch(0..1500));
            assert!(
                ring.held <= 3000 + MAX_BATCH_RECORDS
                    && ring.held == ring.records().newest_first(Place::NEWEST, |_| true).count()
            );
        }
        assert!(ring.held >= 3000);
    }
}
