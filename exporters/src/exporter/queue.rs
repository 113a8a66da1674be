//! A queue of batches bounded by the number of records in it.
//!
//! Channels bound the number of messages; batches differ in size by a factor of thousands, so the memory bound has to
//! count records, and dropping the oldest needs the consumer's end on the producer's side.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pidflow_schema::FlowRecord;

/// Records that are exported together.
pub(crate) type Batch = Arc<[FlowRecord]>;

/// The queue takes nothing any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// What a waiting consumer gets.
pub(crate) enum Popped {
    Batch(Batch),
    /// Nothing came in time.
    Empty,
    /// Nothing is left and nothing will come.
    Closed,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    records: usize,
    closed: bool,
}

impl State {
    fn push(&mut self, batch: Batch) {
        self.records += batch.len();
        self.batches.push_back(batch);
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.records -= batch.len();
        Some(batch)
    }
}

/// The queue of one exporter.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Records held at most; one batch is always taken, however large.
    limit: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), limit: AtomicUsize::new(limit) }
    }

    /// From now on so many records at most.
    pub(crate) fn resize(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the batch, dropping the oldest ones to make room. Returns how many records were dropped.
    pub(crate) fn push_dropping(&self, batch: Batch) -> Result<usize, Closed> {
        let mut state = self.lock();
        let mut dropped = 0;
        if state.closed {
            return Err(Closed);
        }
        while state.records > 0 && state.records + batch.len() > self.limit.load(Relaxed) {
            dropped += state.pop().map_or(0, |b| b.len());
        }
        state.push(batch);
        self.changed.notify_all();
        Ok(dropped)
    }

    /// Appends the batch, waiting for room. Drops none.
    pub(crate) fn push_waiting(&self, batch: Batch) -> Result<usize, Closed> {
        let full = |s: &mut State| !s.closed && s.records > 0 && s.records + batch.len() > self.limit.load(Relaxed);
        let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Closed);
        }
        state.push(batch);
        self.changed.notify_all();
        Ok(0)
    }

    /// Takes the oldest batch, waiting for one at most this long.
    pub(crate) fn pop(&self, timeout: Duration) -> Popped {
        let idle = |s: &mut State| s.batches.is_empty() && !s.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let popped = match state.pop() {
            Some(batch) => Popped::Batch(batch),
            None if state.closed => Popped::Closed,
            None => Popped::Empty,
        };
        self.changed.notify_all();
        popped
    }

    /// Takes no more batches; those inside are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Records inside.
    pub(crate) fn len(&self) -> usize {
        self.lock().records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn batch(n: usize) -> Batch {
        sample::records(n).into()
    }

    #[test]
    fn drops_the_oldest_when_full() {
        let queue = Queue::new(10);
        assert_eq!(queue.push_dropping(batch(4)), Ok(0));
        assert_eq!(queue.push_dropping(batch(5)), Ok(0));
        assert_eq!(queue.push_dropping(batch(3)), Ok(4));
        assert_eq!(queue.len(), 8);
    }

    #[test]
    fn takes_one_batch_however_large() {
        let queue = Queue::new(10);
        assert_eq!(queue.push_dropping(batch(50)), Ok(0));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Batch(b) if b.len() == 50));
    }

    #[test]
    fn hands_out_the_rest_after_closing() {
        let queue = Queue::new(10);
        queue.push_waiting(batch(2)).unwrap();
        queue.close();
        assert_eq!(queue.push_waiting(batch(3)), Err(Closed));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Batch(_)));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Closed));
    }

    #[test]
    fn waits_for_room() {
        let queue = Arc::new(Queue::new(4));
        queue.push_waiting(batch(4)).unwrap();
        let producer = std::thread::spawn({
            let queue = queue.clone();
            move || queue.push_waiting(batch(4))
        });
        assert!(matches!(queue.pop(Duration::from_secs(5)), Popped::Batch(_)));
        assert_eq!(producer.join().unwrap(), Ok(0));
        assert_eq!(queue.len(), 4);
    }
}
