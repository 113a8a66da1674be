//! Detects lost events of the probes, and determines when sockets must be read again.

use std::time::{Duration, Instant};

use pidflow_engine::fact::{Fact, Lost};

use super::KernelCounts;

/// Interval between two checks of the counters.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How long after a loss the kernel's sockets are read: a burst is over then, and they are not read more often.
const RECOUNT_DELAY: Duration = Duration::from_secs(3);
/// Minimum interval between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The losses up to now.
#[derive(Debug)]
pub(super) struct Losses {
    checked: Instant,
    /// Events lost until then.
    total: u64,
    /// Those of them that may have reported anything.
    beginnings: u64,
    /// The last time up to which nothing was lost, nanoseconds since the epoch.
    complete_until_ns: u64,
    recount_due: Option<Instant>,
    told: Option<Instant>,
    told_total: u64,
}

impl Losses {
    /// Nothing was lost until now.
    pub(super) const fn new(now: Instant, now_ns: u64) -> Self {
        let (total, beginnings, told_total) = (0, 0, 0);
        Self { checked: now, total, beginnings, complete_until_ns: now_ns, recount_due: None, told: None, told_total }
    }

    /// Whether the counters are to be checked.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.checked) >= CHECK_INTERVAL
    }

    /// Checks the counters, which were read after `now_ns`, so that no loss is between two periods. Returns a fact, and
    /// logs a line, if events were lost since the last check.
    pub(super) fn check(&mut self, counts: &KernelCounts, now: Instant, now_ns: u64) -> Option<Fact> {
        let (from_ns, total) = (self.complete_until_ns, counts.lost_events());
        let has_lost = total > self.total;
        let what = if counts.lost_beginnings() > self.beginnings { Lost::Anything } else { Lost::Continuation };
        (self.checked, self.total, self.complete_until_ns) = (now, total, now_ns);
        self.beginnings = counts.lost_beginnings();
        self.tell(counts, now);
        has_lost.then(|| {
            self.recount_due.get_or_insert(now + RECOUNT_DELAY);
            Fact::Lost { what, from_ns, until_ns: now_ns }
        })
    }

    /// Whether the kernel's sockets are to be read now; true once after each burst of losses.
    pub(super) fn take_recount(&mut self, now: Instant) -> bool {
        self.recount_due.take_if(|due| *due <= now).is_some()
    }

    fn tell(&mut self, counts: &KernelCounts, now: Instant) {
        let may_tell = self.told.is_none_or(|told| now.saturating_duration_since(told) >= LOG_INTERVAL);
        if self.total == self.told_total || !may_tell {
            return;
        }
        tracing::warn!(
            "{} kernel events were lost (ring buffer full: {}, more than half full: {}, map full: {}, not readable: {}, not understood: {} since the \
             start): flows of this time may lack their process",
            self.total - self.told_total,
            counts.ring_full,
            counts.ring_half_full,
            counts.map_full,
            counts.read_failed,
            counts.unparsed,
        );
        (self.told, self.told_total) = (Some(now), self.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(ring_full: u64) -> KernelCounts {
        KernelCounts { ring_full, ..KernelCounts::default() }
    }

    #[test]
    fn a_loss_is_reported_with_its_time_and_recounted_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut losses = Losses::new(start, 1000);
        assert!(!losses.is_due(at(249)) && losses.is_due(at(250)));
        assert_eq!(losses.check(&lost(0), at(250), 2000), None);
        let anything = |from_ns, until_ns| Some(Fact::Lost { what: Lost::Anything, from_ns, until_ns });
        assert_eq!(losses.check(&lost(7), at(500), 3000), anything(2000, 3000));
        assert_eq!(losses.check(&lost(7), at(750), 4000), None, "no more of them");
        assert_eq!(losses.check(&lost(8), at(1000), 5000), anything(4000, 5000));
        let minor = KernelCounts { ring_half_full: 3, ..lost(8) };
        let what = Lost::Continuation;
        assert_eq!(losses.check(&minor, at(1250), 6000), Some(Fact::Lost { what, from_ns: 5000, until_ns: 6000 }));
        assert!(!losses.take_recount(at(3499)), "the burst may go on");
        assert!(losses.take_recount(at(3500)));
        assert!(!losses.take_recount(at(9000)), "once");
    }

    #[test]
    fn a_loss_is_logged_when_it_begins_and_then_once_a_minute() {
        let start = Instant::now();
        let mut losses = Losses::new(start, 0);
        let mut told = Vec::new();
        for second in 0..150 {
            let now = start + Duration::from_secs(second);
            losses.check(&lost(second + 1), now, second);
            told.extend((losses.told == Some(now)).then_some(second));
        }
        assert_eq!(told, [0, 60, 120]);
    }
}
