//! Packets that were left out before they were counted: one in so many was selected, at random. The rate changes at a timestamp, and no
//! record has packets from before and after a change, so that one rate applies to all packets of a record.

use std::collections::VecDeque;

use super::FlowTable;
use super::figures::Figures;

/// The greatest number of changes kept. A flow whose last packet came before the oldest one counts as not sampled.
const MAX_CHANGES: usize = 1024;

/// The sampling rates over time.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    /// Since when which rate applies, in order.
    changes: VecDeque<(u64, u32)>,
    /// Time of the last change, nanoseconds; 0: there was none.
    changed_ns: u64,
    /// What was measured of connections has been dropped since packets are sampled.
    has_dropped_measures: bool,
}

impl Sampling {
    /// Whether the rate changed between two packets of a flow.
    #[inline]
    pub(super) fn changed_between(&self, last_ns: u64, time_ns: u64) -> bool {
        last_ns < self.changed_ns && self.any_between(last_ns, time_ns)
    }

    /// The last change may come later: packets wait before they are counted.
    #[cold]
    fn any_between(&self, last_ns: u64, time_ns: u64) -> bool {
        let next = self.changes.partition_point(|(from_ns, _)| *from_ns <= last_ns);
        self.changes.get(next).is_some_and(|(from_ns, _)| *from_ns <= time_ns)
    }

    /// One in so many packets of that time was selected; none: all were.
    pub(super) fn rate_at(&self, time_ns: u64) -> Option<u32> {
        let (_, rate) = self.changes.iter().rev().find(|(from_ns, _)| *from_ns <= time_ns)?;
        (*rate > 1).then_some(*rate)
    }

    fn change(&mut self, rate: u32, from_ns: u64) {
        self.changes.push_back((from_ns, rate));
        if self.changes.len() > MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changed_ns = from_ns;
    }
}

impl FlowTable {
    /// Of packets from `from_ns` on, one in `rate` has been selected; 1: all. Records of them have this rate, and counters as counted.
    pub fn set_sampling(&mut self, rate: u32, from_ns: u64) {
        self.sampling.change(rate, from_ns);
    }

    /// Whether a packet of that time is one of a sample. What is measured of connections would show losses and times that are none,
    /// so the first such packet ends all measuring.
    pub(super) fn is_sampled(&mut self, time_ns: u64) -> bool {
        if self.sampling.changed_ns == 0 {
            return false;
        }
        let is_sampled = self.sampling.rate_at(time_ns).is_some();
        if is_sampled && !self.sampling.has_dropped_measures {
            drop(self.healths.take_all());
            self.figures = Figures::default();
        }
        self.sampling.has_dropped_measures = is_sampled;
        is_sampled
    }
}
