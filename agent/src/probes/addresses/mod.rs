//! The local addresses of network namespaces, which their sockets may have.

mod local_routes;
mod own;
mod tables;

pub(super) use own::OwnAddresses;
pub(super) use tables::addresses_fact;

use std::time::{Duration, Instant};

/// A reader may spend one part in this many of its time on reading.
const PAUSE_PER_READ: u32 = 100;

/// When something that may be costly is read again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    at_least: Duration,
    due: Option<Instant>,
}

impl Pace {
    /// Due immediately, and then `at_least` after each reading.
    pub(super) const fn new(at_least: Duration) -> Self {
        Self { at_least, due: None }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// Notes that a reading that began at `begun` is done. The longer it took, the later the next one is due.
    pub(super) fn done(&mut self, begun: Instant) {
        self.done_within(begun, begun.elapsed());
    }

    fn done_within(&mut self, begun: Instant, cost: Duration) {
        self.due = Some(begun + self.at_least.max(cost * PAUSE_PER_READ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_reads_are_repeated_less_often() {
        let mut pace = Pace::new(Duration::from_secs(1));
        let start = Instant::now();
        assert!(pace.is_due(start));
        pace.done_within(start, Duration::from_millis(1));
        assert!(!pace.is_due(start) && pace.is_due(start + Duration::from_secs(1)));
        pace.done_within(start, Duration::from_secs(2));
        assert!(!pace.is_due(start + Duration::from_secs(199)) && pace.is_due(start + Duration::from_secs(200)));
    }
}
