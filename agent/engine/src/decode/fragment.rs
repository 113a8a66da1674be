//! Remembers the ports of IP datagrams until their later fragments have arrived.

use std::hash::{BuildHasher, RandomState};

use super::layer::Layer;
use crate::packet::{Family, Marks, Packet};
use crate::tunnel::PacketTunnel;

/// How long later fragments may follow the first one, nanoseconds; the default of Linux `net.ipv4.ipfrag_time`.
const FRAGMENT_LIFETIME_NS: u64 = 30_000_000_000;
/// The same after the last fragment, nanoseconds: others may have been reordered, but then the sender may reuse the
/// identification for the next datagram.
const LIFETIME_AFTER_LAST_NS: u64 = 1_000_000_000;
/// Number of buckets. At most this many times [`PLACES_PER_BUCKET`] datagrams are remembered at the same time.
const BUCKETS: usize = 512;
/// Number of datagrams with the same bucket. A further one replaces the oldest of them.
const PLACES_PER_BUCKET: usize = 4;

/// What the fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Datagram {
    source: u128,
    destination: u128,
    id: u32,
    /// IPv4 only; 0 for IPv6, where later fragments name the first header of the fragmentable part, which may be an
    /// extension.
    protocol: u8,
    family: Family,
    vlan: u16,
    tunnel: Option<PacketTunnel>,
}

impl Datagram {
    /// The datagram of a fragment that this tunnel carried.
    pub(crate) const fn of(packet: &Packet, tunnel: Option<PacketTunnel>) -> Self {
        Self {
            source: packet.source_bits,
            destination: packet.destination_bits,
            id: packet.fragment_id,
            protocol: match packet.family {
                Family::V4 => packet.protocol,
                Family::V6 => 0,
            },
            family: packet.family,
            vlan: packet.vlan_id,
            tunnel,
        }
    }
}

/// A packet inside another one, and the tunnel around it.
pub(super) type Opened = (Packet, Option<PacketTunnel>);

/// A datagram whose first fragment was seen.
#[derive(Debug, Clone, Copy)]
struct Begun {
    datagram: Datagram,
    first: Packet,
    /// The packet inside the first fragment, if it belongs to a tunnel.
    opened: Option<Opened>,
    last_came_ns: Option<u64>,
}

impl Begun {
    fn is_alive(&self, now_ns: u64) -> bool {
        now_ns.abs_diff(self.first.time_ns) <= FRAGMENT_LIFETIME_NS
            && self.last_came_ns.is_none_or(|last_ns| now_ns.abs_diff(last_ns) <= LIFETIME_AFTER_LAST_NS)
    }

    /// Whether `again`, another first fragment of the same datagram, has different ports or a different packet inside.
    fn differs(&self, again: &Self) -> bool {
        let ports = |packet: &Packet| (packet.source_port, packet.destination_port);
        let inside = |begun: &Self| begun.opened.map(|(inner, tunnel)| (ports(&inner), Datagram::of(&inner, tunnel)));
        ports(&self.first) != ports(&again.first) || inside(self) != inside(again)
    }
}

/// Recent first fragments: a table of fixed size, allocated when the first fragment arrives.
#[derive(Debug, Default)]
pub(super) struct FragmentTable {
    buckets: Vec<[Option<Begun>; PLACES_PER_BUCKET]>,
    hasher: RandomState,
}

impl FragmentTable {
    /// Remembers the ports of a first fragment, and the packet inside it.
    ///
    /// If a second first fragment of the same datagram differs, the ports of the later fragments become unknown:
    /// receivers drop overlapping fragments (RFC 5722), or use either.
    pub(super) fn remember(&mut self, datagram: Datagram, first: &Packet, opened: Option<Opened>) {
        if self.buckets.is_empty() {
            self.buckets = vec![[None; PLACES_PER_BUCKET]; BUCKETS];
        }
        let mut begun = Begun { datagram, first: *first, opened, last_came_ns: None };
        let Some(place) = self.place_for(&datagram) else { return };
        if let Some(before) = place.filter(|b| b.datagram == datagram && b.is_alive(first.time_ns)) {
            let is_other = before.differs(&begun);
            if is_other && before.last_came_ns.is_none() {
                (begun.first.source_port, begun.first.destination_port) = (0, 0);
                begun.opened = None;
            }
            begun.last_came_ns = before.last_came_ns.filter(|_| !is_other);
        }
        *place = Some(begun);
    }

    /// Gives a later fragment the ports of its first one, if known. If the first one belongs to a tunnel, the fragment
    /// becomes a part of the packet inside.
    pub(super) fn complete(&mut self, datagram: &Datagram, later: &mut Layer<'_>) {
        let packet = later.packet;
        let mut begun = self.bucket(datagram).into_iter().flatten().flatten();
        let Some(begun) = begun.find(|b| b.datagram == *datagram && b.is_alive(packet.time_ns)) else { return };
        match begun.opened {
            None => later.packet.join(&begun.first),
            Some((inner, tunnel)) => {
                later.packet = inner.continued(&packet, later.behind.on_the_wire());
                later.tunnel = tunnel;
                later.octets_behind = 0;
            }
        }
        if !packet.marks.has(Marks::MORE_FRAGMENTS) {
            begun.last_came_ns = begun.last_came_ns.or(Some(packet.time_ns));
        }
    }

    /// The datagram's own place, otherwise a free one, otherwise that of the oldest.
    fn place_for(&mut self, datagram: &Datagram) -> Option<&mut Option<Begun>> {
        let order = |place: &&mut Option<Begun>| match place {
            Some(begun) if begun.datagram == *datagram => (0, 0),
            None => (1, 0),
            Some(begun) => (2, begun.first.time_ns),
        };
        self.bucket(datagram)?.iter_mut().min_by_key(order)
    }

    fn bucket(&mut self, datagram: &Datagram) -> Option<&mut [Option<Begun>; PLACES_PER_BUCKET]> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the bucket")]
        let hash = self.hasher.hash_one(datagram) as usize;
        self.buckets.get_mut(hash % BUCKETS)
    }
}
