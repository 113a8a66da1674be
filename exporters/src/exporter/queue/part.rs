//! What a queue holds: records of a batch that others hold too.

use std::collections::HashSet;
use std::ops::{Deref, Range};
use std::sync::Arc;

use pidflow_schema::{FlowRecord, Process};

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

/// Memory that records keep, bytes: their own, and that of the processes and of the texts that can be long, each once. Some of
/// it others keep too, so that this is rather too much than too little.
pub(super) fn kept_bytes(records: &[FlowRecord]) -> usize {
    let mut seen = HashSet::new();
    let mut bytes = size_of_val(records);
    for process in records.iter().flat_map(|r| [&r.source, &r.destination]).filter_map(|end| end.process.as_ref()) {
        if seen.insert(Arc::as_ptr(process).cast::<u8>()) {
            bytes += size_of::<Process>();
            for text in [&process.command_line, &process.executable, &process.ancestors, &process.container_id] {
                bytes += if seen.insert(text.as_ptr()) { text.len() } else { 0 };
            }
        }
    }
    bytes
}
