//! Which packets are copied: the first ones of each flow, found through a table of fixed size.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::InspectedShare;
use crate::packet::{Packet, TcpFlags};

/// Flows in the table. A flow takes the place of another one with the same hash, of which further packets are copied then; the flow
/// table knows which are of use.
const PLACES: usize = 16_384;
/// A flow that was silent for longer than this may be another one, seconds (of 2^30 nanoseconds).
const MAX_SILENCE: u16 = 1;

/// One flow.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    tag: u32,
    /// When its last packet came, seconds modulo 2^16.
    seen: u16,
    packets: u8,
}

/// Lets the first packets of each flow pass.
#[derive(Debug)]
pub(crate) struct Gate {
    share: InspectedShare,
    places: Box<[Place]>,
    hasher: RandomState,
}

impl Gate {
    pub(crate) fn new(share: InspectedShare) -> Self {
        Self { share, places: vec![Place::default(); PLACES].into(), hasher: RandomState::default() }
    }

    /// Whether this is one of the first packets of its flow.
    pub(crate) fn passes(&mut self, packet: &Packet) -> bool {
        let hash = self.flow(packet);
        let Some(place) = self.places.get_mut(hash as usize % PLACES) else { return false };
        let (tag, now) = ((hash >> 32) as u32, (packet.time_ns >> 30) as u16);
        let is_syn = packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
        if place.tag != tag || is_syn || now.wrapping_sub(place.seen) > MAX_SILENCE {
            *place = Place { tag, seen: now, packets: 0 };
        }
        place.seen = now;
        let passes = place.packets < self.share.of(packet.protocol);
        place.packets += u8::from(passes);
        passes
    }

    /// The same for both directions.
    fn flow(&self, packet: &Packet) -> u64 {
        let end =
            |bits: u128, port: u16| self.hasher.hash_one((bits, port, packet.protocol, packet.vlan_id, packet.tunnel));
        let source = end(packet.source_bits, packet.source_port);
        source.wrapping_add(end(packet.destination_bits, packet.destination_port))
    }
}
