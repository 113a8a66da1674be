//! The loop of an exporter's thread.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::transport::{Kept, Sink};

use super::queue::{Batch, Popped, Queue};
use super::{Control, Counters, Loss, Mode};

/// How long what is buffered may wait while nothing comes.
const IDLE: Duration = Duration::from_millis(200);

pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    pub(super) control: Arc<Control>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) mode: Mode,
}

impl Worker {
    /// Until the queue is closed and empty, or the deadline has passed.
    pub(super) fn run(mut self) {
        let mut clock_ns = 0;
        loop {
            match self.queue.pop(IDLE) {
                Popped::Batch(batch) if self.control.is_over() => self.counters.lost(Loss::Shutdown, batch.len()),
                Popped::Batch(batch) => {
                    clock_ns = self.now_ns(&batch, clock_ns);
                    if let Err(Kept { from }) = self.sink.export(&batch, clock_ns) {
                        self.counters.lost(Loss::Shutdown, batch.len() - from);
                    }
                }
                Popped::Empty => self.sink.flush(),
                Popped::Closed => break,
            }
        }
        self.sink.flush();
    }

    /// The wall clock; when files are read, the clock of the records, which never goes back.
    fn now_ns(&self, batch: &Batch, before_ns: u64) -> u64 {
        match self.mode {
            Mode::Live => wall_ns(),
            Mode::Offline => batch.iter().map(|r| r.flow.last_ns).fold(before_ns, u64::max),
        }
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
