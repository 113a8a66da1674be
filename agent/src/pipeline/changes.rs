//! Ports that changed hands, until the packets of that time are counted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pidflow_engine::socket_index::EndpointChange;

/// Changes that may wait for their packets (32 bytes each); with more the earliest are reported before their time.
const MAX_WAITING: usize = 65_536;

/// The changes that were not reported to the flow table yet, the earliest first: some become known late.
#[derive(Debug, Default)]
pub(super) struct PendingChanges(BinaryHeap<Reverse<EndpointChange>>);

impl PendingChanges {
    /// Takes new ones, in any order.
    pub(super) fn add(&mut self, changes: impl IntoIterator<Item = EndpointChange>) {
        self.0.extend(changes.into_iter().map(Reverse));
    }

    /// The next one of those up to a packet's time. Not later ones: under load packets wait, and a port may have changed
    /// hands many times since.
    pub(super) fn next_until(&mut self, until_ns: u64) -> Option<EndpointChange> {
        let is_due = self.0.len() > MAX_WAITING || self.0.peek().is_some_and(|Reverse(c)| c.time_ns <= until_ns);
        if is_due { self.0.pop().map(|Reverse(change)| change) } else { None }
    }
}
