//! A queue of batches, bounded by the number of records and by their memory.
//!
//! Channels bound the number of messages only. Batches differ in size by a factor of thousands, and records by the
//! length of their command lines, so the bounds must count records and bytes. Also, the producer must be able to remove
//! the oldest records.

mod part;

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use part::{Batch, Part};

/// The queue is closed; this many records of the batch were not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) usize);

/// What a waiting consumer receives.
pub(crate) enum Popped {
    Records(Part),
    /// No record arrived in time.
    Empty,
    /// The queue is closed and empty.
    Closed,
}

/// The limits of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    /// Memory of the batches that contain the records. A single batch is accepted even if it alone exceeds the limit,
    /// so that something can be exported at all.
    pub(crate) bytes: usize,
}

struct State {
    parts: VecDeque<Part>,
    records: usize,
    bytes: usize,
    limits: Limits,
    closed: bool,
}

impl State {
    fn push(&mut self, part: Part) {
        self.records += part.len();
        self.bytes += part.bytes();
        self.parts.push_back(part);
    }

    fn pop(&mut self) -> Option<Part> {
        let part = self.parts.pop_front()?;
        self.records -= part.len();
        self.bytes -= part.bytes();
        // Frees the memory that a flood made it grow to.
        if self.parts.is_empty() {
            self.parts = VecDeque::new();
        }
        Some(part)
    }

    /// Drops the oldest records until there is room for this many more with this much memory. Returns how many were
    /// dropped.
    fn make_room(&mut self, records: usize, bytes: usize) -> usize {
        let mut dropped = 0;
        while self.bytes + bytes > self.limits.bytes
            && let Some(part) = self.pop()
        {
            dropped += part.len();
        }
        let mut surplus = (self.records + records).saturating_sub(self.limits.records);
        dropped += surplus;
        while surplus > 0 {
            let Some(oldest) = self.parts.front_mut() else { break };
            let left_out = oldest.leave_out(surplus);
            let is_empty = oldest.is_empty();
            surplus -= left_out;
            self.records -= left_out;
            if is_empty {
                self.pop();
            }
        }
        dropped
    }

    /// Number of records for which there is room, of a batch with this much memory.
    fn room(&self, bytes: usize) -> usize {
        let has_bytes = self.parts.is_empty() || self.bytes + bytes <= self.limits.bytes;
        if has_bytes { self.limits.records.saturating_sub(self.records) } else { 0 }
    }
}

/// The queue of one exporter.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        let state = State { parts: VecDeque::new(), records: 0, bytes: 0, limits, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Sets new limits. Records that exceed them are dropped with the next batch.
    pub(crate) fn resize(&self, limits: Limits) {
        self.lock().limits = limits;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the batch, and drops the oldest records to make room, if necessary those of the batch itself. Returns
    /// how many were dropped.
    pub(crate) fn push_dropping(&self, batch: &Batch) -> Result<usize, Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed(batch.len()));
        }
        let part = batch.last(state.limits.records);
        let dropped = batch.len() - part.len() + state.make_room(part.len(), part.bytes());
        state.push(part);
        self.changed.notify_all();
        Ok(dropped)
    }

    /// Appends the batch and waits for room, in parts if it is larger than the queue. Drops no records.
    pub(crate) fn push_waiting(&self, batch: &Batch) -> Result<usize, Closed> {
        let mut from = 0;
        while from < batch.len() {
            let full = |s: &mut State| !s.closed && s.room(batch.bytes()) == 0;
            let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return Err(Closed(batch.len() - from));
            }
            let until = (from + state.room(batch.bytes())).min(batch.len());
            state.push(batch.part(from..until));
            from = until;
            self.changed.notify_all();
        }
        Ok(0)
    }

    /// Removes and returns the oldest records; waits at most this long for some.
    pub(crate) fn pop(&self, timeout: Duration) -> Popped {
        let idle = |s: &mut State| s.parts.is_empty() && !s.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let popped = match state.pop() {
            Some(part) => Popped::Records(part),
            None if state.closed => Popped::Closed,
            None => Popped::Empty,
        };
        self.changed.notify_all();
        popped
    }

    /// Closes the queue to new batches; the batches in it can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Number of records in the queue.
    pub(crate) fn len(&self) -> usize {
        self.lock().records
    }

    /// Memory of the records in the queue, bytes. Records in several queues count in each.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

#[cfg(test)]
mod tests;
