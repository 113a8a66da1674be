//! The thread between an exporter's queue and its spool.

use std::sync::Arc;
use std::time::Duration;

use crate::spool::{Appended, Spool};

use super::queue::{Popped, Queue};
use super::{Link, Loss};

/// How long to wait for records before looking again.
const IDLE: Duration = Duration::from_secs(1);

/// Writes records down as they come, however long the receiver takes.
pub(super) struct Spooler {
    pub(super) queue: Arc<Queue>,
    pub(super) spool: Arc<Spool>,
    pub(super) link: Link,
}

impl Spooler {
    /// Until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.pop(self.spool.sync_due().unwrap_or(IDLE)) {
                Popped::Batch(batch) => self.write(&batch),
                Popped::Empty => self.sync(),
                Popped::Closed => break,
            }
        }
        self.spool.close();
    }

    fn sync(&mut self) {
        if let Err(e) = self.spool.sync_if_due() {
            self.link.failed(&e, "what was written last does not survive the machine's death");
        }
    }

    fn write(&mut self, batch: &[pidflow_schema::FlowRecord]) {
        let (Appended { dropped, failed }, result) = self.spool.append(batch);
        self.link.counters.lost(Loss::SpoolFull, dropped);
        self.link.counters.lost(Loss::WriteFailed, failed);
        match result {
            Err(e) => self.link.failed(&e, "records are lost until it can be written again"),
            Ok(()) if dropped > 0 => self.link.notice.failed(&"it is full", "its oldest records are lost"),
            Ok(()) => self.link.notice.worked(),
        }
    }
}
