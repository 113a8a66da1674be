//! Ports of IP datagrams whose fragments are under way.

use std::hash::{BuildHasher, RandomState};

use crate::packet::Packet;

/// How long the fragments of one datagram may be under way: Linux `net.ipv4.ipfrag_time`, nanoseconds.
const LIFETIME_NS: u64 = 30_000_000_000;
/// Datagrams at the same time. A newer one replaces an older one in the same place.
const PLACES: usize = 2048;

/// What the fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Datagram {
    source: u128,
    destination: u128,
    id: u32,
    protocol: u8,
    vlan: u16,
}

impl Datagram {
    const fn of(packet: &Packet) -> Self {
        Self {
            source: packet.source_bits,
            destination: packet.destination_bits,
            id: packet.fragment_id,
            protocol: packet.protocol,
            vlan: packet.vlan_id,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    datagram: Datagram,
    first_ns: u64,
    source_port: u16,
    destination_port: u16,
    icmp: u16,
    has_icmp: bool,
}

/// First fragments seen lately: a direct-mapped table of fixed size, made when the first fragment comes.
#[derive(Debug, Default)]
pub(super) struct FragmentTable {
    places: Vec<Known>,
    hasher: RandomState,
}

impl FragmentTable {
    /// Keeps the ports of a first fragment.
    pub(super) fn remember(&mut self, packet: &Packet) {
        if self.places.is_empty() {
            self.places = vec![Known::default(); PLACES];
        }
        let datagram = Datagram::of(packet);
        let place = self.place(&datagram);
        if let Some(known) = self.places.get_mut(place) {
            *known = Known {
                datagram,
                first_ns: packet.time_ns,
                source_port: packet.source_port,
                destination_port: packet.destination_port,
                icmp: packet.icmp,
                has_icmp: packet.has_icmp,
            };
        }
    }

    /// Gives a later fragment the ports of its first one, where that is known.
    pub(super) fn complete(&self, packet: &mut Packet) {
        let datagram = Datagram::of(packet);
        let Some(known) = self.places.get(self.place(&datagram)) else { return };
        if known.datagram == datagram && packet.time_ns.abs_diff(known.first_ns) <= LIFETIME_NS {
            packet.source_port = known.source_port;
            packet.destination_port = known.destination_port;
            packet.icmp = known.icmp;
            packet.has_icmp = known.has_icmp;
        }
    }

    fn place(&self, datagram: &Datagram) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the place")]
        let hash = self.hasher.hash_one(datagram) as usize;
        hash % PLACES
    }
}
