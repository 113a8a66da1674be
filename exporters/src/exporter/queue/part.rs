//! An entry of a queue: records of a batch that other queues may hold too.

use std::ops::{Deref, Range};
use std::sync::Arc;

use pidflow_expression::Expression;
use pidflow_schema::{FlowRecord, kept_bytes};

/// Records that were passed on together, and their memory.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    records: Arc<[FlowRecord]>,
    bytes: usize,
}

impl Batch {
    pub(crate) fn new(records: Arc<[FlowRecord]>) -> Self {
        Self { bytes: kept_bytes(&records), records }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The records for which the filter is true; none: there are none. If it is all of them, the batch is shared.
    pub(crate) fn selected(&self, filter: &Expression) -> Option<Self> {
        match filter.select(&self.records) {
            None => Some(self.clone()),
            Some(records) if records.is_empty() => None,
            Some(records) => Some(Self::new(records.into())),
        }
    }

    /// Memory of the batch, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last `records` records, or all if it has fewer.
    pub(super) fn last(&self, records: usize) -> Part {
        self.part(self.len().saturating_sub(records)..self.len())
    }

    /// These records of the batch.
    pub(super) fn part(&self, range: Range<usize>) -> Part {
        Part { batch: self.clone(), range }
    }
}

/// Some records of a batch. The whole batch stays in memory as long as any part of it does.
pub(crate) struct Part {
    batch: Batch,
    range: Range<usize>,
}

impl Deref for Part {
    type Target = [FlowRecord];

    fn deref(&self) -> &[FlowRecord] {
        self.batch.records.get(self.range.clone()).unwrap_or_default()
    }
}

impl Part {
    /// Memory of its batch, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Drops the oldest records, at most `records`; returns how many.
    pub(super) fn leave_out(&mut self, records: usize) -> usize {
        let left_out = records.min(self.range.len());
        self.range.start += left_out;
        left_out
    }
}
