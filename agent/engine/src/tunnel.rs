//! The tunnel of a packet, from its headers.

use pidflow_schema::record::{Tunnel, TunnelKind};

use crate::packet::{Family, Packet, address};

/// The innermost tunnel around a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketTunnel {
    source_bits: u128,
    destination_bits: u128,
    id: Option<u32>,
    kind: TunnelKind,
    family: Family,
}

impl PacketTunnel {
    /// The tunnel of this kind and id whose outer packet is `outer`.
    #[must_use]
    pub const fn around(outer: &Packet, kind: TunnelKind, id: Option<u32>) -> Self {
        Self {
            source_bits: outer.source_bits,
            destination_bits: outer.destination_bits,
            id,
            kind,
            family: outer.family,
        }
    }

    pub(crate) const fn id(&self) -> Option<u32> {
        self.id
    }

    /// Whether it goes from the higher to the lower address.
    pub(crate) const fn is_from_high(&self) -> bool {
        self.source_bits > self.destination_bits
    }

    /// The same for both directions: the lower address is the source.
    pub(crate) const fn both_ways(mut self) -> Self {
        if self.is_from_high() {
            (self.source_bits, self.destination_bits) = (self.destination_bits, self.source_bits);
        }
        self
    }

    /// The same for all ids.
    pub(crate) const fn without_id(mut self) -> Self {
        self.id = None;
        self
    }

    /// The tunnel for a record, from [`PacketTunnel::both_ways`], its direction, and the ids of both directions.
    pub(crate) const fn record(&self, is_from_high: bool, [id, reverse_id]: [Option<u32>; 2]) -> Tunnel {
        let (low, high) = (address(self.family, self.source_bits), address(self.family, self.destination_bits));
        let (source, destination) = if is_from_high { (high, low) } else { (low, high) };
        Tunnel { kind: self.kind, id, reverse_id, source, destination }
    }
}
