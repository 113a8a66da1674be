//! What the packets of flows look like: sizes, times between them, marks and hop limits, in each direction.
//!
//! Nothing is kept, and nothing is done, unless [`super::PacketRule::Measure`] is set.

mod direction;
#[cfg(test)]
mod tests;

use pidflow_schema::record::PacketFigures;

use super::FlowTable;
use super::key::KeySide;
use crate::packet::Packet;
use crate::places::Places;
use direction::Direction;

/// The figures of flows, by the place of their flow in the table.
#[derive(Debug, Default)]
pub(super) struct Figures(Places<[Direction; 2]>);

const fn side(directions: &mut [Direction; 2], side: KeySide) -> &mut Direction {
    let [low, high] = directions;
    match side {
        KeySide::Low => low,
        KeySide::High => high,
    }
}

impl Figures {
    /// Measures a packet of the flow in `slot` that `from` sent.
    pub(super) fn see(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        if let Some(directions) = self.0.get_or_default(slot) {
            side(directions, from).see(packet);
        }
    }

    /// The figures of a flow since its last record, as seen from `source`. A new record begins.
    pub(super) fn take(&mut self, slot: u32, source: KeySide) -> Option<Box<PacketFigures>> {
        let directions = self.0.get_mut(slot)?;
        let forward = side(directions, source).take();
        let reverse = side(directions, source.other()).take();
        Some(Box::new(PacketFigures { forward, reverse }))
    }

    /// The clock was set: times before are not comparable.
    pub(super) fn set_clock(&mut self, slot: u32) {
        self.0.get_mut(slot).into_iter().flatten().for_each(Direction::forget_time);
    }

    /// The flow stands under a key whose sides are the other way round.
    pub(super) fn turn_round(&mut self, slot: u32) {
        if let Some(directions) = self.0.get_mut(slot) {
            directions.reverse();
        }
    }

    /// The flow in `from` turns out to be the one in `to`, of which it replaces one side. `is_turned`: the sides of its key are the
    /// other way round.
    pub(super) fn replace(&mut self, to: u32, from: u32, (replaced, is_turned): (KeySide, bool)) {
        let taken = if is_turned { replaced.other() } else { replaced };
        let Some(direction) = self.0.get_mut(from).map(|directions| *side(directions, taken)) else { return };
        if let Some(directions) = self.0.get_or_default(to) {
            *side(directions, replaced) = direction;
        }
    }

    /// The flow has ended.
    pub(super) fn remove(&mut self, slot: u32) {
        self.0.remove(slot);
    }

    /// The flow has another place.
    pub(super) fn relocate(&mut self, from: u32, to: u32) {
        self.0.relocate(from, to);
    }

    /// Returns unused memory. No flow is in slot `used` or a later one.
    pub(super) fn shrink(&mut self, used: usize) {
        self.0.shrink(used);
    }

    pub(super) const fn allocated_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }
}

impl FlowTable {
    /// The memory that a flow takes in addition when its packets are measured, bytes.
    pub const BYTES_PER_FLOW_OF_MEASURED_PACKETS: usize = Places::<[Direction; 2]>::MAX_BYTES_EACH;
}
