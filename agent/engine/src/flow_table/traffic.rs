//! Sums of packets: counted, in records, and held.

use std::ops::{AddAssign, Sub};

use pidflow_schema::record::Flow;

use super::FlowTable;
use crate::decode::FrameCount;

/// Packets and their bytes from the IP header on, as in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub octets: u64,
}

impl Traffic {
    /// The traffic of both directions of a flow.
    #[must_use]
    pub const fn of(flow: &Flow) -> Self {
        let (forward, reverse) = (&flow.forward, &flow.reverse);
        Self { packets: forward.packets + reverse.packets, octets: forward.octets + reverse.octets }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.octets += more.octets;
    }
}

impl Sub for Traffic {
    type Output = Self;

    /// Saturates at zero.
    fn sub(self, less: Self) -> Self {
        Self { packets: self.packets.saturating_sub(less.packets), octets: self.octets.saturating_sub(less.octets) }
    }
}

impl FlowTable {
    /// Number of each interface that was named and is not forgotten, and packets counted in flows there since the start.
    pub fn counted_by_interface(&self) -> impl Iterator<Item = (u32, FrameCount)> + '_ {
        self.interfaces.named().map(|(number, known)| (number, known.counted))
    }

    /// Number of each such interface, and packets that were not counted there because another interface was counted for them.
    pub fn seen_elsewhere_by_interface(&self) -> impl Iterator<Item = (u32, FrameCount)> + '_ {
        self.interfaces.named().map(|(number, known)| (number, known.seen_elsewhere))
    }

    /// Fragments that wait for the first one of their datagram and are in no flow yet: interface number, and bytes of
    /// the whole frame.
    pub fn held_fragments(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.held_fragments.packets().map(|packet| (packet.interface, packet.frame_octets))
    }

    /// Traffic counted in flows that is in no record yet.
    #[must_use]
    pub fn unrecorded(&self) -> Traffic {
        let counters = &self.counters;
        counters.in_flows() - counters.recorded
    }
}
