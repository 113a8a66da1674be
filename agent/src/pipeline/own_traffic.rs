//! Records of the agent's own connections. An export makes packets, whose record would be exported in turn, and so on without end.
//! So these records wait until other records are exported, or until so many wait that exporting them makes few packets in
//! comparison.

use std::mem;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

/// Number of waiting records at which they are exported without other records.
const MAX_WAITING: usize = 1024;

/// Decides when records of the agent's own connections are exported.
#[derive(Debug, Default)]
pub(crate) struct OwnTraffic {
    is_hidden: bool,
    waiting: Vec<FlowRecord>,
    hidden: u64,
}

impl OwnTraffic {
    /// If `is_hidden`, records of own connections are left out. Otherwise they are exported together with others.
    pub(crate) fn new(is_hidden: bool) -> Self {
        Self { is_hidden, ..Self::default() }
    }

    /// The batch for observers (live view, HTTP, metrics): without hidden records.
    pub(super) fn shown(&mut self, batch: Arc<[FlowRecord]>) -> Arc<[FlowRecord]> {
        if !self.is_hidden || !batch.iter().any(|r| r.is_own) {
            return batch;
        }
        let (own, others): (Vec<_>, Vec<_>) = batch.iter().cloned().partition(|r| r.is_own);
        self.hidden += own.len() as u64;
        others.into()
    }

    /// The records to export now: none if the batch has only own records, otherwise the waiting ones and the batch.
    pub(super) fn due(&mut self, batch: Arc<[FlowRecord]>) -> Arc<[FlowRecord]> {
        if batch.iter().all(|r| r.is_own) {
            self.waiting.extend(batch.iter().cloned());
            return if self.waiting.len() >= MAX_WAITING { self.take() } else { Arc::default() };
        }
        if self.waiting.is_empty() {
            return batch;
        }
        mem::take(&mut self.waiting).into_iter().chain(batch.iter().cloned()).collect()
    }

    /// Takes all waiting records.
    pub(super) fn take(&mut self) -> Arc<[FlowRecord]> {
        mem::take(&mut self.waiting).into()
    }

    /// Number of records left out so far.
    pub(super) const fn hidden(&self) -> u64 {
        self.hidden
    }

    /// Number of waiting records.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(own: &[bool]) -> Arc<[FlowRecord]> {
        let record = |is_own: &bool| FlowRecord { is_own: *is_own, ..crate::sample::record(1, 1, 1) };
        own.iter().map(record).collect()
    }

    fn of(batch: &[FlowRecord]) -> Vec<bool> {
        batch.iter().map(|r| r.is_own).collect()
    }

    #[test]
    fn own_records_wait_for_others() {
        let mut own = OwnTraffic::new(false);
        assert_eq!(of(&own.shown(batch(&[true, false]))), [true, false], "observers read all");
        assert!(own.due(batch(&[true])).is_empty() && own.due(batch(&[true])).is_empty());
        assert_eq!(of(&own.due(batch(&[false, true]))), [true, true, false, true], "none is lost");
        assert_eq!(of(&own.due(batch(&[false]))), [false]);
    }

    #[test]
    fn own_records_are_exported_alone_once_enough_wait() {
        let mut own = OwnTraffic::new(false);
        assert!((1..MAX_WAITING).all(|_| own.due(batch(&[true])).is_empty()));
        assert_eq!(own.waiting(), MAX_WAITING - 1);
        assert_eq!(own.due(batch(&[true])).len(), MAX_WAITING);
        assert!(own.due(batch(&[true])).is_empty(), "the next own record waits again");
        assert_eq!(own.take().len(), 1, "no record is left at the end");
    }

    #[test]
    fn hidden_records_are_counted() {
        let mut own = OwnTraffic::new(true);
        assert_eq!(of(&own.shown(batch(&[true, false, true]))), [false]);
        assert_eq!(of(&own.shown(batch(&[false]))), [false]);
        assert!(own.shown(batch(&[true])).is_empty());
        assert_eq!((own.hidden(), own.waiting()), (3, 0));
    }
}
