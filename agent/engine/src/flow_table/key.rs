//! The key by which packets belong to one flow.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use pidflow_schema::record::Protocol;

use crate::fact::PacketEnds;
use crate::packet::{Family, Packet, address, address_bits};

/// The key of a flow, equal for both directions: the side with the lower address and port is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlowKey {
    pub(super) low: u128,
    pub(super) high: u128,
    pub(super) low_port: u16,
    pub(super) high_port: u16,
    /// VLAN id, 0: none.
    pub(super) vlan: u16,
    /// ICMP `type * 256 + code`, for a reply with the type of the query; 0 for other protocols.
    pub(super) icmp: u16,
    pub(super) protocol: u8,
    pub(super) family: Family,
    /// Number in the table's [`super::tunnels::TunnelTable`]; 0: none.
    pub(super) tunnel: u16,
    /// See [`super::FlowTable::set_network_namespace`]; 0: unknown. Not in the hash.
    pub(super) namespace: u32,
}

/// A side of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum KeySide {
    Low = 0,
    High = 1,
}

impl KeySide {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// The key and hash of a packet, computed once per packet of a batch.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) key: FlowKey,
    pub(super) from: KeySide,
    pub(super) hash: u32,
}

impl Hash for FlowKey {
    /// Three wide writes: the members one by one would cost nine.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low);
        state.write_u128(self.high);
        let ports = u64::from(self.low_port) << 48 | u64::from(self.high_port) << 32;
        let rest =
            u64::from(self.vlan ^ self.tunnel) << 16 | u64::from(self.protocol) << 8 | u64::from(self.family as u8);
        state.write_u64(ports | rest ^ u64::from(self.icmp));
    }
}

impl FlowKey {
    /// Whether both keys are equal, or differ only in that one namespace is unknown.
    pub(super) fn is_compatible(&self, other: &Self) -> bool {
        let is_unknown = self.namespace == 0 || other.namespace == 0;
        is_unknown && *self == Self { namespace: self.namespace, ..*other }
    }

    /// The same for every interface, tunnel and kind of ICMP message: what address translation knows of it.
    pub(super) const fn ends(&self) -> Self {
        Self { vlan: 0, icmp: 0, tunnel: 0, namespace: 0, ..*self }
    }

    /// With the other key's kind of ICMP message.
    pub(super) const fn with_icmp_of(self, other: &Self) -> Self {
        Self { icmp: other.icmp, ..self }
    }

    /// The key of these ends, and which side is the first.
    pub(super) fn of_ends(protocol: u8, ends: &PacketEnds) -> (Self, KeySide) {
        let [source, destination] = ends.map(|(address, port)| (address_bits(address), port));
        let ((family, source), (_, destination)) =
            ((source.0.0, (source.0.1, source.1)), (destination.0.0, (destination.0.1, destination.1)));
        let from = if source <= destination { KeySide::Low } else { KeySide::High };
        (Self::between(source, destination, from, (protocol, family)), from)
    }

    /// The key of these ends, of which the first is on that side, outside of tunnels, VLANs and namespaces.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "64 octets are returned, for each packet")]
    const fn between(first: (u128, u16), second: (u128, u16), side: KeySide, (protocol, family): (u8, Family)) -> Self {
        let (low, high) = if matches!(side, KeySide::Low) { (first, second) } else { (second, first) };
        let ((low, low_port), (high, high_port)) = (low, high);
        Self { low, high, low_port, high_port, vlan: 0, icmp: 0, protocol, family, tunnel: 0, namespace: 0 }
    }

    /// Address and port of one side.
    pub(super) const fn end(&self, side: KeySide) -> (IpAddr, u16) {
        match side {
            KeySide::Low => (address(self.family, self.low), self.low_port),
            KeySide::High => (address(self.family, self.high), self.high_port),
        }
    }

    /// The key of a packet's flow, and the side that sent the packet.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "64 octets are returned, for each packet")]
    pub(super) fn of(packet: &Packet) -> (Self, KeySide) {
        let (icmp, is_reply) = icmp_class(packet);
        let source = (packet.source_bits, packet.source_port);
        let destination = (packet.destination_bits, packet.destination_port);
        let from =
            if source < destination || (source == destination && !is_reply) { KeySide::Low } else { KeySide::High };
        let key = Self::between(source, destination, from, (packet.protocol, packet.family));
        (Self { vlan: packet.vlan_id, icmp, ..key }, from)
    }
}

/// ICMP type and code as in the key, and whether the packet is a reply.
#[inline]
fn icmp_class(packet: &Packet) -> (u16, bool) {
    if packet.icmp_type_code().is_none() {
        return (0, false);
    }
    let [icmp_type, code] = packet.icmp.to_be_bytes();
    let query = match packet.protocol {
        Protocol::ICMP => v4_query(icmp_type),
        _ => v6_query(icmp_type),
    };
    (u16::from_be_bytes([query.unwrap_or(icmp_type), code]), query.is_some())
}

/// The query that this type replies to (RFC 792, 950, 8335).
const fn v4_query(reply: u8) -> Option<u8> {
    match reply {
        0 => Some(8),
        14 | 16 | 18 => Some(reply - 1),
        43 => Some(42),
        _ => None,
    }
}

/// The query that this type replies to (RFC 4443, 8335, neighbour discovery RFC 4861).
const fn v6_query(reply: u8) -> Option<u8> {
    match reply {
        129 | 134 | 136 | 161 => Some(reply - 1),
        _ => None,
    }
}
