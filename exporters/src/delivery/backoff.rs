//! How long to wait before the next attempt.

use std::time::Duration;

use crate::random::random;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Maximum pause that a receiver can request.
const MAX_REQUESTED_PAUSE: Duration = Duration::from_secs(3600);

/// Pauses that double from attempt to attempt, with random jitter so that many agents do not come back at once (as the
/// OTLP specification requires, section "OTLP/gRPC Throttling").
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// The next pause: at least what the receiver asked for, but not more than [`MAX_REQUESTED_PAUSE`], because it may
    /// ask for any number.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let pause = self.next.mul_f64(0.5 + chance());
        self.next = (self.next * 2).min(MAX_PAUSE);
        asked.map_or(pause, |asked| asked.min(MAX_REQUESTED_PAUSE).max(pause))
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    (random() >> 32) as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_heed_the_receiver() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..12).map(|_| backoff.pause(None)).collect();
        assert!(pauses[0] <= FIRST_PAUSE * 2 && pauses[11] >= MAX_PAUSE / 2 && pauses[11] <= MAX_PAUSE * 2);
        assert_eq!(Backoff::new().pause(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(Backoff::new().pause(Some(Duration::MAX)), MAX_REQUESTED_PAUSE);
        assert!(Backoff::new().pause(Some(Duration::ZERO)) >= FIRST_PAUSE / 2);
    }
}
