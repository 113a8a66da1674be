//! The work of the thread that delivers an exporter's records.

use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::sink::{Sink, Undelivered};
use crate::spool::{Spool, SpoolRead};
use crate::time::wall_ns;

use super::queue::{Popped, Queue};
use super::{Control, Counters, Link, Loss, Mode};

/// How long buffered data may wait while no records arrive.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum number of records read from a spool at once; writers of the spool wait meanwhile.
const MAX_SPOOL_READ: usize = 512;
/// Pause before a spool that could not be read is tried again.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);

/// The source of records.
pub(super) enum Source {
    Queue(Arc<Queue>),
    Spool(Arc<Spool>),
}

/// Passes records from their source to a sink. It outlives a sink that panics: see [`Self::recover`].
pub(super) struct Worker {
    source: Source,
    link: Link,
    mode: Mode,
    /// The clock at the last records.
    clock_ns: u64,
    /// Number of records handed to sinks so far, and the number whose outcome was known before the current ones.
    handed: u64,
    settled_before: u64,
    /// Number of records handed over that the spool still has.
    at_hand: usize,
    /// Number of records to read from the spool one by one, because one of them made a sink panic.
    suspects: usize,
}

impl Worker {
    pub(super) fn new(source: Source, link: Link, mode: Mode) -> Self {
        let settled_before = link.counters.settled();
        Self { source, link, mode, clock_ns: 0, handed: 0, settled_before, at_hand: 0, suspects: 0 }
    }

    /// Runs until the source is closed and empty, or the deadline has passed.
    pub(super) fn run(&mut self, sink: &mut dyn Sink) {
        match &self.source {
            Source::Queue(queue) => self.work_off_queue(&queue.clone(), sink),
            Source::Spool(spool) => self.work_off_spool(&spool.clone(), sink),
        }
        sink.finish();
    }

    /// Undelivered records are lost.
    fn work_off_queue(&mut self, queue: &Queue, sink: &mut dyn Sink) {
        while !self.control().is_handed_over() {
            match queue.pop(FLUSH_INTERVAL) {
                Popped::Records(part) if self.control().is_over() => self.counters().lost(Loss::Shutdown, part.len()),
                Popped::Records(part) => {
                    if let Err(Undelivered { left, .. }) = self.hand_over(&part, sink) {
                        self.handed -= left as u64;
                        self.counters().lost(Loss::Shutdown, left);
                    }
                }
                Popped::Empty => sink.flush(),
                Popped::Closed => break,
            }
        }
    }

    /// Undelivered records stay in the spool.
    fn work_off_spool(&mut self, spool: &Spool, sink: &mut dyn Sink) {
        while !self.control().is_over() {
            let limit = if self.suspects > 0 { 1 } else { MAX_SPOOL_READ };
            match spool.next(limit, FLUSH_INTERVAL) {
                SpoolRead::Records { records, damaged } => {
                    self.counters().lost(Loss::Damaged, usize::try_from(damaged).unwrap_or(usize::MAX));
                    self.at_hand = records.len();
                    let exported = self.hand_over(&records, sink);
                    self.delivered(spool, exported.map_or_else(|Undelivered { from, .. }| from, |()| records.len()));
                    self.suspects = self.suspects.saturating_sub(records.len());
                }
                SpoolRead::Failed(e) => {
                    self.link.failed(&format!("the spool cannot be read: {e}"), "trying again, records wait");
                    self.control().pause(UNREADABLE_PAUSE);
                }
                SpoolRead::Empty => sink.flush(),
                SpoolRead::Closed => break,
            }
        }
    }

    fn hand_over(&mut self, records: &[FlowRecord], sink: &mut dyn Sink) -> Result<(), Undelivered> {
        self.clock_ns = self.now_ns(records);
        self.handed += records.len() as u64;
        sink.export(records, self.clock_ns)
    }

    fn delivered(&mut self, spool: &Spool, records: usize) {
        self.at_hand = 0;
        let given_up = spool.delivered(records);
        self.counters().lost(Loss::SpoolFull, given_up);
    }

    /// Handles a sink that panicked, which must be dropped already. With a queue, the records that it had are lost.
    /// With a spool, they are read again one by one, and only a record that makes a sink panic on its own is lost.
    pub(super) fn recover(&mut self) {
        let settled = self.counters().settled() - self.settled_before;
        let unsettled = usize::try_from(self.handed.saturating_sub(settled)).unwrap_or(usize::MAX);
        (self.handed, self.settled_before) = (0, self.counters().settled());
        match &self.source {
            Source::Queue(_) => self.counters().lost(Loss::Panic, unsettled),
            Source::Spool(spool) => self.read_again(&spool.clone(), unsettled.min(self.at_hand)),
        }
    }

    fn read_again(&mut self, spool: &Spool, unsettled: usize) {
        if self.suspects > 0 && unsettled > 0 {
            self.counters().lost(Loss::Panic, unsettled);
            self.suspects = self.suspects.saturating_sub(unsettled);
            return self.delivered(spool, self.at_hand);
        }
        self.suspects = unsettled;
        self.delivered(spool, self.at_hand - unsettled);
    }

    fn counters(&self) -> &Counters {
        &self.link.counters
    }

    fn control(&self) -> &Control {
        &self.link.control
    }

    /// The wall clock; when files are read, the clock of the records, which never goes back.
    fn now_ns(&self, records: &[FlowRecord]) -> u64 {
        match self.mode {
            Mode::Live => wall_ns(),
            Mode::Offline => records.iter().map(|r| r.flow.last_ns).fold(self.clock_ns, u64::max),
        }
    }
}
