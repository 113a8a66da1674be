//! Ports of IP datagrams whose fragments are under way.

use std::hash::{BuildHasher, RandomState};

use super::layer::Layer;
use crate::packet::{Family, Packet};
use crate::tunnel::PacketTunnel;

/// How long the fragments of one datagram may be under way: Linux `net.ipv4.ipfrag_time`, nanoseconds.
const FRAGMENT_LIFETIME_NS: u64 = 30_000_000_000;
/// The same once the last fragment has come: others may have been overtaken, but then the number is free for the next
/// datagram, nanoseconds.
const LIFETIME_AFTER_LAST_NS: u64 = 1_000_000_000;
/// Datagrams at the same time are at most this many times [`PLACES_PER_BUCKET`].
const BUCKETS: usize = 512;
/// Datagrams whose hashes fall together. One more replaces the oldest of them.
const PLACES_PER_BUCKET: usize = 4;

/// What the fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Datagram {
    source: u128,
    destination: u128,
    id: u32,
    /// IPv4 only. In IPv6 later fragments name the header at which the fragmentable part begins, which may be an extension.
    protocol: u8,
    family: Family,
    vlan: u16,
    tunnel: Option<PacketTunnel>,
}

impl Datagram {
    /// The datagram of a fragment that was in this tunnel.
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

/// A packet that was inside of another one, and the tunnel around it.
pub(super) type Opened = (Packet, Option<PacketTunnel>);

/// A datagram whose first fragment was seen.
#[derive(Debug, Clone, Copy)]
struct Begun {
    datagram: Datagram,
    first: Packet,
    /// What that one carries, if it is a tunnel's.
    opened: Option<Opened>,
    last_came_ns: Option<u64>,
}

impl Begun {
    fn is_alive(&self, now_ns: u64) -> bool {
        now_ns.abs_diff(self.first.time_ns) <= FRAGMENT_LIFETIME_NS
            && self.last_came_ns.is_none_or(|last_ns| now_ns.abs_diff(last_ns) <= LIFETIME_AFTER_LAST_NS)
    }

    /// Whether `again`, which is of the same datagram, has other ports than its first fragment, or something else inside.
    fn differs(&self, again: &Self) -> bool {
        let ports = |packet: &Packet| (packet.source_port, packet.destination_port);
        let inside = |begun: &Self| begun.opened.map(|(inner, tunnel)| (ports(&inner), Datagram::of(&inner, tunnel)));
        ports(&self.first) != ports(&again.first) || inside(self) != inside(again)
    }
}

/// First fragments seen lately: a table of fixed size, made when the first fragment comes.
#[derive(Debug, Default)]
pub(super) struct FragmentTable {
    buckets: Vec<[Option<Begun>; PLACES_PER_BUCKET]>,
    hasher: RandomState,
}

impl FragmentTable {
    /// Keeps the ports of a first fragment, and what it carries.
    ///
    /// A second one of the same datagram with others leaves unknown which are those of the later fragments: receivers
    /// drop what overlaps (RFC 5722), or take either.
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

    /// Gives a later fragment the ports of its first one, where that is known; it goes on with what that one carries.
    pub(super) fn complete(&mut self, datagram: &Datagram, later: &mut Layer<'_>) {
        let packet = later.packet;
        let mut begun = self.bucket(datagram).into_iter().flatten().flatten();
        let Some(begun) = begun.find(|b| b.datagram == *datagram && b.is_alive(packet.time_ns)) else { return };
        match begun.opened {
            None => later.packet.join(&begun.first),
            Some((inner, tunnel)) => {
                later.packet = inner.continued(&packet, later.behind.on_the_wire());
                later.tunnel = tunnel;
            }
        }
        if !packet.has_more_fragments {
            begun.last_came_ns = begun.last_came_ns.or(Some(packet.time_ns));
        }
    }

    /// The datagram's own place, else a free one, else that of the oldest.
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
