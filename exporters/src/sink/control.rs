//! Tells a thread that waits for a receiver that time is up.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by an exporter's thread and the one that stops it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The deadline, set when the exporter is stopped.
    deadline: Mutex<Option<Instant>>,
    stopping: Condvar,
    /// Set when another exporter takes over the input.
    handed_over: AtomicBool,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the thread's deadline to `deadline`, unless it already has an earlier one.
    pub(crate) fn stop_by(&self, deadline: Instant) {
        let mut current = self.lock();
        *current = Some(current.map_or(deadline, |c| c.min(deadline)));
        self.stopping.notify_all();
    }

    /// The deadline; none: the exporter was not stopped.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    /// Tells the thread to leave the records that it has not taken yet to another exporter.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Relaxed);
    }

    /// Whether another exporter takes over.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Relaxed)
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_some_and(|d| Instant::now() >= d)
    }

    /// Time left until the deadline; none: no deadline is set.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.lock().map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Waits for that time, or until the deadline if that is earlier. Returns false when the deadline has passed.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut deadline = self.lock();
        loop {
            let now = Instant::now();
            let until = deadline.map_or(end, |d| d.min(end));
            if now >= until {
                return deadline.is_none_or(|d| now < d);
            }
            let waited = self.stopping.wait_timeout(deadline, until - now);
            deadline = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_at_the_deadline() {
        let control = Control::default();
        assert!(control.pause(Duration::from_millis(1)));
        control.stop_by(Instant::now() + Duration::from_millis(20));
        assert!(!control.is_over());
        assert!(!control.pause(Duration::from_secs(60)));
        assert!(control.is_over());
    }

    #[test]
    fn the_first_deadline_holds_when_a_later_one_comes() {
        let (control, now) = (Control::default(), Instant::now());
        control.stop_by(now + Duration::from_secs(10));
        control.stop_by(now + Duration::from_secs(3600));
        assert_eq!(control.deadline(), Some(now + Duration::from_secs(10)));
        control.stop_by(now);
        assert!(control.is_over());
    }
}
