//! The thread between an exporter's queue and its spool.

use std::sync::Arc;
use std::time::Duration;

use crate::spool::{Appended, Spool};

use super::queue::{Popped, Queue};
use super::{Link, Loss};

/// How long to wait for records before checking whether anything must be synced to the disk.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Writes records to the spool as they arrive, however slow the receiver is.
pub(super) struct Spooler {
    queue: Arc<Queue>,
    spool: Arc<Spool>,
    link: Link,
    /// Records taken from the queue that are not known to be in the spool.
    at_hand: usize,
}

impl Spooler {
    pub(super) const fn new(queue: Arc<Queue>, spool: Arc<Spool>, link: Link) -> Self {
        Self { queue, spool, link, at_hand: 0 }
    }

    /// Runs until the queue is closed and empty. When called again after a panic, the records taken before are lost.
    pub(super) fn run(&mut self) {
        let lost = std::mem::take(&mut self.at_hand);
        if lost > 0 {
            self.link.counters.lost(Loss::Panic, lost);
            self.spool.expect_less(lost);
        }
        loop {
            match self.queue.pop(self.spool.sync_due().unwrap_or(MAX_WAIT)) {
                Popped::Records(part) => self.write(&part),
                Popped::Empty => self.sync(),
                Popped::Closed => break,
            }
        }
        self.spool.close();
    }

    fn sync(&mut self) {
        if let Err(e) = self.spool.sync_if_due() {
            self.link.failed(&e, "the last records written would not survive a crash of the machine");
        }
    }

    fn write(&mut self, records: &[pidflow_schema::FlowRecord]) {
        self.at_hand = records.len();
        let (Appended { dropped, failed }, result) = self.spool.append(records);
        self.at_hand = 0;
        self.link.counters.lost(Loss::SpoolFull, dropped);
        self.link.counters.lost(Loss::WriteFailed, failed);
        match result {
            Err(e) => self.link.failed(&e, "records are lost until it is writable again"),
            Ok(()) if dropped > 0 => self.link.notice.failed(&"it is full", "its oldest records are lost"),
            Ok(()) => self.link.notice.worked(),
        }
    }
}
