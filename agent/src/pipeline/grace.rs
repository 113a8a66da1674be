//! Flows that have ended and wait for kernel events that are late.

use std::collections::VecDeque;

use pidflow_schema::Flow;

/// How long they wait, nanoseconds.
pub(super) const GRACE_NS: u64 = 500_000_000;

/// One that waits.
#[derive(Debug)]
struct Waiting {
    /// When it is joined, by the clock.
    due_ns: u64,
    /// When it ended, by the packets' time, at the earliest.
    ended_from_ns: u64,
    flow: Flow,
}

/// The flows, and up to which time of the packets all others have been joined.
///
/// Where packets were late and come all at once, their time jumps, and flows that ended long before wait still: what they
/// need must not be forgotten by that time.
#[derive(Debug, Default)]
pub(super) struct Grace {
    waiting: VecDeque<Waiting>,
    /// The table has given out every flow that ended before, by the packets' time.
    given_until_ns: u64,
}

impl Grace {
    /// Takes the flows that the table gave at `now_ns` when it was told that packets up to `seen_ns` have come. `is_all`:
    /// none that ended before is left there.
    pub(super) fn take(&mut self, flows: impl Iterator<Item = Flow>, now_ns: u64, (seen_ns, is_all): (u64, bool)) {
        let (due_ns, ended_from_ns) = (now_ns + GRACE_NS, self.given_until_ns);
        self.waiting.extend(flows.map(|flow| Waiting { due_ns, ended_from_ns, flow }));
        if is_all {
            self.given_until_ns = seen_ns;
        }
    }

    /// Those whose grace is over.
    pub(super) fn due(&mut self, now_ns: u64) -> impl Iterator<Item = Flow> + '_ {
        let due = self.waiting.partition_point(|w| w.due_ns <= now_ns);
        self.waiting.drain(..due).map(|w| w.flow)
    }

    /// All of them.
    pub(super) fn into_flows(self) -> impl Iterator<Item = Flow> {
        self.waiting.into_iter().map(|w| w.flow)
    }

    /// Every flow that ended before this time of the packets has been joined.
    pub(super) fn joined_until_ns(&self) -> u64 {
        self.waiting.front().map_or(self.given_until_ns, |w| w.ended_from_ns)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const S: u64 = 1_000_000_000;

    fn flow() -> Flow {
        sample::record(1, 1, 1).flow
    }

    #[test]
    fn what_waits_holds_the_time_back() {
        let mut grace = Grace::default();
        grace.take(std::iter::empty(), 100 * S, (90 * S, true));
        assert_eq!(grace.joined_until_ns(), 90 * S);
        // The packets of eighty seconds come at once.
        grace.take([flow(), flow()].into_iter(), 180 * S, (170 * S, true));
        assert_eq!((grace.joined_until_ns(), grace.len()), (90 * S, 2), "these may have ended 80 s ago");
        assert_eq!(grace.due(180 * S + GRACE_NS - 1).count(), 0);
        assert_eq!(grace.due(180 * S + GRACE_NS).count(), 2);
        assert_eq!(grace.joined_until_ns(), 170 * S);
    }

    #[test]
    fn what_the_table_still_has_holds_it_back_too() {
        let mut grace = Grace::default();
        grace.take(std::iter::once(flow()), S, (50 * S, false));
        assert_eq!(grace.due(2 * S).count(), 1);
        assert_eq!(grace.joined_until_ns(), 0);
        grace.take(std::iter::empty(), 3 * S, (50 * S, true));
        assert_eq!(grace.joined_until_ns(), 50 * S);
    }
}
