//! Local endpoints that another socket has taken over, kept until the packets of that time are counted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pidflow_engine::socket_index::EndpointChange;

/// The greatest number of changes that wait for their packets (32 bytes each). Beyond it, the earliest are reported
/// early.
const MAX_WAITING: usize = 65_536;

/// The changes not yet reported to the flow table, ordered by time, because some become known late.
#[derive(Debug, Default)]
pub(super) struct PendingChanges(BinaryHeap<Reverse<EndpointChange>>);

impl PendingChanges {
    /// Adds changes, in any order.
    pub(super) fn add(&mut self, changes: impl IntoIterator<Item = EndpointChange>) {
        self.0.extend(changes.into_iter().map(Reverse));
    }

    /// The next change up to a packet's time, not a later one: under load, packets wait, and the port may have been
    /// reused many times since.
    pub(super) fn next_until(&mut self, until_ns: u64) -> Option<EndpointChange> {
        let is_due = self.0.len() > MAX_WAITING || self.0.peek().is_some_and(|Reverse(c)| c.time_ns <= until_ns);
        if is_due { self.0.pop().map(|Reverse(change)| change) } else { None }
    }
}
