//! What a queue holds: records of a batch that others hold too.

use std::ops::{Deref, Range};
use std::sync::Arc;

use pidflow_schema::{FlowRecord, kept_bytes};

/// Records that were handed on together, and the memory that they keep.
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

    /// Memory that it keeps, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last `records`, which are all where it has no more.
    pub(super) fn last(&self, records: usize) -> Part {
        self.part(self.len().saturating_sub(records)..self.len())
    }

    /// These of its records.
    pub(super) fn part(&self, range: Range<usize>) -> Part {
        Part { batch: self.clone(), range }
    }
}

/// Some records of a batch, which is kept whole for as long as any part of it is.
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
    /// Memory that its batch keeps, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Leaves out the oldest ones, `records` at most; returns how many.
    pub(super) fn leave_out(&mut self, records: usize) -> usize {
        let left_out = records.min(self.range.len());
        self.range.start += left_out;
        left_out
    }
}
