//! Lets any number of threads wait until other threads have ended.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Closes when the last thread that holds a [`Working`] ends.
#[derive(Default)]
pub(super) struct Latch {
    working: Mutex<usize>,
    changed: Condvar,
}

/// Held by a thread for as long as it works.
pub(super) struct Working(Arc<Latch>);

impl Latch {
    /// A handle for a thread to hold.
    pub(super) fn working(self: &Arc<Self>) -> Working {
        *self.lock() += 1;
        Working(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.lock() == 0
    }

    /// Waits, at most until the deadline; false: a thread is still running.
    pub(super) fn wait_until(&self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |working| *working > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.changed.notify_all();
    }
}
