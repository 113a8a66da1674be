//! Paces the pipeline at the end, when all remaining records are exported at once: exporters' queues drop the oldest
//! records when they are full.

use std::time::{Duration, Instant};

use pidflow_exporters::{ExporterSet, Snapshot};

/// Records that may wait in one exporter's queue before the reader pauses; half of the smallest usual queue.
const MAX_WAITING_RECORDS: u64 = 32_768;
/// Between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// An exporter without progress for so long is not waited for any more.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);

/// Waits for room, until a deadline.
#[derive(Debug)]
pub(crate) struct Pacer {
    deadline: Instant,
    /// For each exporter: records that were done when it last did one, and when that was.
    progress: Vec<(u64, Instant)>,
}

impl Pacer {
    /// Until then.
    pub(crate) const fn new(deadline: Instant) -> Self {
        Self { deadline, progress: Vec::new() }
    }

    /// Waits while an exporter that works has too much before it.
    pub(crate) fn wait(&mut self, exporters: &ExporterSet) {
        while Instant::now() < self.deadline && self.is_crowded(&exporters.counters(), Instant::now()) {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn is_crowded(&mut self, all: &[Snapshot], now: Instant) -> bool {
        self.progress.resize(all.len(), (0, now));
        let mut crowded = false;
        for (snapshot, (done_before, since)) in all.iter().zip(&mut self.progress) {
            // A spool that takes them is progress too.
            let done = snapshot.accepted - snapshot.pending();
            if done != *done_before {
                (*done_before, *since) = (done, now);
            }
            crowded |= snapshot.pending() > MAX_WAITING_RECORDS && now.duration_since(*since) < STALL_TIMEOUT;
        }
        crowded
    }

    /// No time is left.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// Up to when it waits.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pidflow_exporters::LOSSES;

    fn snapshot(accepted: u64, exported: u64) -> Snapshot {
        Snapshot {
            exporter: String::new(),
            accepted,
            exported,
            messages: 0,
            octets: 0,
            shortened: 0,
            errors: 0,
            retries: 0,
            spooled: 0,
            lost: LOSSES.map(|why| (why, 0)),
        }
    }

    #[test]
    fn a_working_exporter_is_waited_for_and_a_stalled_one_is_not() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start + Duration::from_secs(10));
        let dead = snapshot(60_000, 0);
        assert!(!pacer.is_crowded(&[snapshot(1000, 0)], start));
        assert!(pacer.is_crowded(&[dead.clone(), snapshot(50_000, 1)], start));
        let later = start + STALL_TIMEOUT;
        assert!(pacer.is_crowded(&[dead.clone(), snapshot(50_000, 2)], later));
        assert!(!pacer.is_crowded(&[dead, snapshot(50_000, 40_000)], later + STALL_TIMEOUT));
    }
}
