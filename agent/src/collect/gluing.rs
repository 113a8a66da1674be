//! Between what `pidflow collect` receives and its outlet: records of several agents about one flow are put together.

use std::time::Instant;

use pidflow_glue::{Counters, Glue, Settings};
use pidflow_schema::FlowRecord;

/// Counters and sizes at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GlueFigures {
    /// What became of the records.
    pub(crate) counters: Counters,
    /// Flows that are held or remembered.
    pub(crate) flows: u64,
    /// Their memory, bytes.
    pub(crate) bytes: u64,
}

impl GlueFigures {
    /// Records that went out as they came although they may have belonged together: what was lost, why, and how many.
    pub(crate) const fn losses(&self) -> [(&'static str, &'static str, u64); 2] {
        let c = &self.counters;
        [("records not put together", "memory-full", c.pushed_out), ("records not put together", "late", c.late)]
    }
}

/// Puts records together as time goes by.
pub(crate) struct Gluing {
    glue: Glue,
    began: Instant,
    ready: Vec<FlowRecord>,
}

impl Gluing {
    /// Records wait for `window_ns`, in `max_bytes` of memory.
    pub(crate) fn new(window_ns: u64, max_bytes: usize) -> Self {
        let glue = Glue::new(Settings { window_ns, max_bytes });
        Self { glue, began: Instant::now(), ready: Vec::new() }
    }

    /// Takes records that have arrived, and returns those that are ready.
    pub(crate) fn pass(&mut self, records: Vec<FlowRecord>) -> Vec<FlowRecord> {
        let now_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for record in records {
            self.glue.add(record, now_ns, &mut self.ready);
        }
        self.glue.expire(now_ns, &mut self.ready);
        std::mem::take(&mut self.ready)
    }

    /// Returns everything that is held, because no more will come.
    pub(crate) fn drain(&mut self) -> Vec<FlowRecord> {
        self.glue.drain(&mut self.ready);
        std::mem::take(&mut self.ready)
    }

    /// Counters and sizes now.
    pub(crate) fn figures(&self) -> GlueFigures {
        let (flows, bytes) = (self.glue.len() as u64, self.glue.bytes() as u64);
        GlueFigures { counters: *self.glue.counters(), flows, bytes }
    }
}
