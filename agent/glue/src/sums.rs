//! Sums of counters of both directions.

use pidflow_schema::{Counters, Flow};

/// What one agent counted of a flow so far, or what was handed on of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) forward: Direction,
    pub(crate) reverse: Direction,
}

/// Those of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Direction {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    frame_octets: u64,
}

impl Direction {
    const fn of(c: &Counters) -> Self {
        Self { packets: c.packets, octets: c.octets, frame_octets: c.frame_octets }
    }

    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            packets: join(self.packets, other.packets),
            octets: join(self.octets, other.octets),
            frame_octets: join(self.frame_octets, other.frame_octets),
        }
    }

    const fn write(self, counters: &mut Counters) {
        (counters.packets, counters.octets, counters.frame_octets) = (self.packets, self.octets, self.frame_octets);
    }
}

impl Sums {
    pub(crate) const fn of(flow: &Flow) -> Self {
        Self { forward: Direction::of(&flow.forward), reverse: Direction::of(&flow.reverse) }
    }

    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self { forward: self.forward.with(other.forward, &join), reverse: self.reverse.with(other.reverse, &join) }
    }

    pub(crate) fn add(&mut self, other: Self) {
        *self = self.with(other, u64::saturating_add);
    }

    /// The greater one of each.
    pub(crate) fn greatest(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    /// What is beyond the other one.
    pub(crate) fn beyond(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    /// Writes them into the flow, whose flags stay.
    pub(crate) const fn write(self, flow: &mut Flow) {
        self.forward.write(&mut flow.forward);
        self.reverse.write(&mut flow.reverse);
    }
}
