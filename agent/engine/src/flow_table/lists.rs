//! The lists of flows by activity, one for each group of states.

use super::slab::{Activity, List, Slab};
use super::state::State;

/// Each list is in order of the last packet, or of closing. A flow is in the list of its state.
#[derive(Debug, Default)]
pub(super) struct Lists {
    unanswered: List<Activity>,
    open: List<Activity>,
    closing: List<Activity>,
}

impl Lists {
    fn of(&mut self, state: State) -> Option<&mut List<Activity>> {
        match state {
            State::Free => None,
            State::Unanswered => Some(&mut self.unanswered),
            State::Open => Some(&mut self.open),
            State::Finished | State::Reset => Some(&mut self.closing),
        }
    }

    /// The slot that has been longest in the list of that state.
    pub(super) fn first(&mut self, state: State) -> Option<u32> {
        self.of(state).and_then(|list| list.first())
    }

    /// Appends a flow.
    pub(super) fn push(&mut self, slab: &mut Slab, slot: u32) {
        if let Some(list) = self.of(slab.get(slot).state) {
            list.push(slab, slot);
        }
    }

    /// Removes a flow.
    pub(super) fn remove(&mut self, slab: &mut Slab, slot: u32) {
        if let Some(list) = self.of(slab.get(slot).state) {
            list.remove(slab, slot);
        }
    }

    /// Updates the links after a flow was moved to the slot `to`.
    pub(super) fn relink(&mut self, slab: &mut Slab, to: u32) {
        if let Some(list) = self.of(slab.get(to).state) {
            list.relink(slab, to);
        }
    }

    /// The flow to evict from a table that is full with `max_flows`: first an unanswered one (a flood, a scan), then a
    /// closing one, then the least recently seen. An eighth of the table is reserved for unanswered flows, so that new
    /// flows are not evicted before their answer arrives.
    pub(super) fn least_valuable(&self, max_flows: usize) -> Option<u32> {
        let unanswered = self.unanswered.first().filter(|_| self.unanswered.len() > max_flows.div_ceil(8));
        let others = self.closing.first().or_else(|| self.open.first());
        unanswered.or(others).or_else(|| self.unanswered.first())
    }
}
