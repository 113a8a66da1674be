//! The phase of a connection, and how long it may take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::super::limits;

/// The current phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of the request.
    Arriving,
    /// The answer must be generated and read; `true`: hyper has all of it.
    Answering(bool),
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    has_left: bool,
}

/// Updated by the parts that see progress: the stream, the service, the body and the waiting task.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

impl Progress {
    /// Just accepted.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Idle, since: Instant::now(), has_left: false })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Bytes arrived.
    pub(super) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Arriving);
        }
    }

    /// A request is complete.
    pub(super) fn arrived(&self) {
        self.enter(Phase::Answering(false));
    }

    /// Hyper has the last of the answer's body.
    pub(super) fn produced(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Answering(false) {
            state.phase = Phase::Answering(true);
        }
    }

    /// Everything that hyper had was written to the kernel.
    pub(super) fn flushed(&self) {
        if self.phase() == Phase::Answering(true) {
            self.enter(Phase::Idle);
        }
    }

    /// The connection has left its slot.
    pub(super) fn leave(&self) {
        self.lock().has_left = true;
    }

    /// Whether the connection has left its slot.
    pub(super) fn has_left(&self) -> bool {
        self.lock().has_left
    }

    /// The current phase.
    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// The current phase, and when it began.
    pub(super) fn state(&self) -> (Phase, Instant) {
        let state = *self.lock();
        (state.phase, state.since)
    }

    /// Whether both are of one connection.
    #[cfg(test)]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The deadline of the current phase.
    pub(super) fn deadline(&self) -> Instant {
        let state = *self.lock();
        state.since
            + match state.phase {
                Phase::Idle => limits::IDLE_TIMEOUT,
                Phase::Arriving => limits::REQUEST_TIMEOUT,
                Phase::Answering(_) => limits::ANSWER_TIMEOUT,
            }
    }
}

/// Reports the end of the body that holds it.
#[derive(Debug)]
pub(super) struct Producing(pub(super) Progress);

impl Drop for Producing {
    fn drop(&mut self) {
        self.0.produced();
    }
}
