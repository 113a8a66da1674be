//! Limits the samples of multi-threaded processes that are taken between two rounds, when such a process uses a socket.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pidflow_engine::fact::ProcessId;

/// Minimum interval between two such samples of one process: a sample takes about 50 us, so a process costs 0.1 % of a
/// processor.
const INTERVAL: Duration = Duration::from_millis(50);
/// The greatest number of samples between two rounds. Beyond it, processes are sampled only by the next round.
const MAX_SAMPLES: usize = 500;

/// The samples taken since the last round.
#[derive(Debug, Default)]
pub(super) struct Between {
    latest: HashMap<ProcessId, Instant>,
    taken: usize,
}

impl Between {
    /// Whether the process is to be sampled now. If so, the sample is counted as taken.
    pub(super) fn is_due(&mut self, id: ProcessId, now: Instant) -> bool {
        let is_recent = self.latest.get(&id).is_some_and(|t| now.saturating_duration_since(*t) < INTERVAL);
        if is_recent || self.taken >= MAX_SAMPLES {
            return false;
        }
        self.taken += 1;
        self.latest.insert(id, now);
        true
    }

    /// The process has ended.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.latest.remove(&id);
    }

    /// Starts again, because a round samples all watched processes.
    pub(super) fn begin_round(&mut self) {
        self.latest.clear();
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_process_nor_all_of_them_cost_much() {
        let (mut between, now) = (Between::default(), Instant::now());
        let id = |pid| ProcessId::from_ticks(pid, 1);
        assert!(between.is_due(id(1), now) && !between.is_due(id(1), now + INTERVAL / 2));
        assert!(between.is_due(id(1), now + INTERVAL));
        let many = (2..10_000).filter(|pid| between.is_due(id(*pid), now)).count();
        assert_eq!(many, MAX_SAMPLES - 2);
        between.begin_round();
        assert!(between.is_due(id(9_999), now));
        between.forget(id(9_999));
        assert!(between.latest.is_empty());
    }
}
