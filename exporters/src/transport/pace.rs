//! Packets at a steady rate.

use std::time::{Duration, Instant};

use crate::sink::Control;

/// Spreads packets evenly.
pub(super) struct Pace {
    interval: Duration,
    next: Instant,
}

/// Shortest sleep; shorter ones cost more than they help.
const MIN_SLEEP: Duration = Duration::from_millis(1);

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), next: Instant::now() }
    }

    /// Waits until the next packet is due, or the exporter's time is up.
    pub(super) fn wait(&mut self, control: &Control) {
        let now = Instant::now();
        let ahead = self.next.saturating_duration_since(now);
        if ahead >= MIN_SLEEP {
            control.pause(ahead);
        }
        self.next = self.next.max(now) + self.interval;
    }
}
