//! The thread that delivers an exporter's records.

use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::sink::{Kept, Sink};
use crate::spool::{Next, Spool};
use crate::time::wall_ns;

use super::queue::{Popped, Queue};
use super::{Control, Counters, Loss, Mode};

/// How long what is buffered may wait while nothing comes.
const IDLE: Duration = Duration::from_millis(200);
/// Records taken from a spool at once; whoever writes to it waits for as long as they are read.
const FROM_SPOOL: usize = 512;

/// How long to wait before a spool is read again that could not be.
const UNREADABLE: Duration = Duration::from_secs(5);

/// Where records come from.
pub(super) enum Source {
    Queue(Arc<Queue>),
    Spool(Arc<Spool>),
}

pub(super) struct Worker {
    pub(super) source: Source,
    pub(super) counters: Arc<Counters>,
    pub(super) control: Arc<Control>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) mode: Mode,
}

impl Worker {
    /// Until nothing is left and nothing will come, or the deadline has passed.
    pub(super) fn run(mut self) {
        match &self.source {
            Source::Queue(queue) => self.work_off_queue(&queue.clone()),
            Source::Spool(spool) => self.work_off_spool(&spool.clone()),
        }
        self.sink.flush();
    }

    /// What is not delivered is lost.
    fn work_off_queue(&mut self, queue: &Queue) {
        let mut clock_ns = 0;
        while !self.control.is_handed_over() {
            match queue.pop(IDLE) {
                Popped::Batch(batch) if self.control.is_over() => self.counters.lost(Loss::Shutdown, batch.len()),
                Popped::Batch(batch) => {
                    clock_ns = self.now_ns(&batch, clock_ns);
                    if let Err(Kept { left, .. }) = self.sink.export(&batch, clock_ns) {
                        self.counters.lost(Loss::Shutdown, left);
                    }
                }
                Popped::Empty => self.sink.flush(),
                Popped::Closed => break,
            }
        }
    }

    /// What is not delivered stays.
    fn work_off_spool(&mut self, spool: &Spool) {
        let mut clock_ns = 0;
        while !self.control.is_over() {
            match spool.next(FROM_SPOOL, IDLE) {
                Next::Records { records, damaged } => {
                    self.counters.lost(Loss::Damaged, usize::try_from(damaged).unwrap_or(usize::MAX));
                    clock_ns = self.now_ns(&records, clock_ns);
                    let exported = self.sink.export(&records, clock_ns);
                    let given_up = spool.delivered(exported.map_or_else(|Kept { from, .. }| from, |()| records.len()));
                    self.counters.lost(Loss::SpoolFull, given_up);
                }
                Next::Failed(e) => {
                    self.counters.error();
                    tracing::warn!("a spool cannot be read, trying again: {e}");
                    self.control.pause(UNREADABLE);
                }
                Next::Empty => self.sink.flush(),
                Next::Closed => break,
            }
        }
    }

    /// The wall clock; when files are read, the clock of the records, which never goes back.
    fn now_ns(&self, batch: &[FlowRecord], before_ns: u64) -> u64 {
        match self.mode {
            Mode::Live => wall_ns(),
            Mode::Offline => batch.iter().map(|r| r.flow.last_ns).fold(before_ns, u64::max),
        }
    }
}
