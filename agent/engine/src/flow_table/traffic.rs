//! What of the packets is where: in the table, in records given out, or held.

use std::ops::{AddAssign, Sub};

use pidflow_schema::record::Flow;

use super::FlowTable;
use crate::decode::FrameCount;

/// Packets and their bytes from the IP header on, as records have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub octets: u64,
}

impl Traffic {
    /// Both directions of a flow.
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

    /// Nothing is less than zero.
    fn sub(self, less: Self) -> Self {
        Self { packets: self.packets.saturating_sub(less.packets), octets: self.octets.saturating_sub(less.octets) }
    }
}

impl FlowTable {
    /// Packets counted in flows since the start, at the number of their interface; only of interfaces that were named.
    #[must_use]
    pub fn counted_by_interface(&self) -> &[FrameCount] {
        &self.by_interface
    }

    /// Packets that were not counted because another interface was counted for them, at the number of their interface; only of
    /// interfaces that were named.
    #[must_use]
    pub fn seen_elsewhere_by_interface(&self) -> &[FrameCount] {
        &self.seen_elsewhere
    }

    /// Fragments that wait for the first one of their datagram and are in no flow yet: number of the interface, and bytes of
    /// the whole frame.
    pub fn held_fragments(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.held_fragments.packets().map(|packet| (packet.interface, packet.frame_octets))
    }

    /// What is in flows and in no record yet.
    #[must_use]
    pub fn unrecorded(&self) -> Traffic {
        let counters = &self.counters;
        counters.in_flows() - counters.recorded
    }
}
