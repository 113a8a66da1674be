//! Paces the pipeline at the end, when all remaining records are exported at once: exporters' queues drop the oldest
//! records when they are full.

use std::time::{Duration, Instant};

use pidflow_exporters::{ExporterSet, Snapshot};

/// Number of records in one exporter's queue above which the reader pauses; half of the default queue.
const MAX_WAITING_RECORDS: u64 = 32_768;
/// Interval between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// After this time without progress, an exporter is not waited for any more.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);

/// Waits for room, until a deadline.
#[derive(Debug)]
pub(crate) struct Pacer {
    deadline: Instant,
    /// For each exporter: the number of finished records at the last progress, and its time.
    progress: Vec<(u64, Instant)>,
}

impl Pacer {
    /// A pacer with that deadline.
    pub(crate) const fn new(deadline: Instant) -> Self {
        Self { deadline, progress: Vec::new() }
    }

    /// Waits while the queue of a working exporter is too full.
    pub(crate) fn wait(&mut self, exporters: &ExporterSet) {
        while Instant::now() < self.deadline && self.is_crowded(&exporters.counters(), Instant::now()) {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn is_crowded(&mut self, all: &[Snapshot], now: Instant) -> bool {
        self.progress.resize(all.len(), (0, now));
        let mut crowded = false;
        for (snapshot, (done_before, since)) in all.iter().zip(&mut self.progress) {
            // Records written to a spool count as progress too.
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

    /// The time left until the deadline.
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
            filtered: 0,
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
