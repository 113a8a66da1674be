//! Detects packets of tunnels by protocol or port. A tunnel is accepted only if every field of its header that has
//! fixed values has a valid one.

mod capwap;
mod erspan;
mod geneve;
mod gre;
mod gtp;
mod l2tp;
mod pim;
mod teredo;
#[cfg(test)]
mod tests;
mod vxlan;

use pidflow_schema::record::{Protocol, TunnelKind};

use super::ip::{self, AUTHENTICATION};
use super::link::{self, ether_type};
use super::{Discard, Rest, Target, ppp, wlan};
use crate::packet::Packet;

/// IP protocol numbers of tunnels (IANA).
mod protocol {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
    pub(super) const PIM: u8 = 103;
    pub(super) const L2TP: u8 = 115;
}

/// UDP ports of tunnels (IANA), and the port that Linux used for VXLAN before one was assigned.
mod port {
    pub(super) const L2TP: u16 = 1701;
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const CAPWAP_DATA: u16 = 5247;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const OLD_VXLAN: u16 = 8472;
}

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// What follows a tunnel's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// IPv4 or IPv6, by its version field.
    Ip,
    /// The protocol of this EtherType.
    EtherType(u16),
    /// A PPP frame.
    Ppp,
    /// A data frame of IEEE 802.11.
    Wlan,
}

impl Inside {
    const ETHERNET: Self = Self::EtherType(ether_type::ETHERNET);
}

/// A tunnel that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) kind: TunnelKind,
    pub(super) id: Option<u32>,
    inside: Inside,
    rest: Rest<'a>,
}

impl<'a> Found<'a> {
    /// Fills `out` from the inner packet.
    pub(super) fn decode(&self, out: &mut impl Target<'a>) -> Result<(), Discard> {
        match self.inside {
            Inside::Ip => ip::by_version(self.rest, out),
            Inside::ETHERNET => link::ethernet(self.rest, out),
            Inside::EtherType(ether_type) => link::network(ether_type, self.rest, out),
            Inside::Ppp => ppp::ppp(self.rest, out),
            Inside::Wlan => wlan::data(self.rest, out),
        }
    }
}

/// The data after an IP header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payload<'a> {
    pub(super) rest: Rest<'a>,
    /// Whether it continues in later fragments.
    pub(super) goes_on: bool,
}

impl Payload<'_> {
    /// Without the first `octets` bytes.
    fn after(self, octets: usize) -> Self {
        Self { rest: self.rest.after(octets), ..self }
    }

    /// Whether `octets` bytes may fit, including what is in later fragments.
    fn may_hold(self, octets: u32) -> bool {
        self.goes_on || octets <= self.rest.on_the_wire()
    }
}

/// Whether the packet may belong to a tunnel or have an Authentication Header.
#[inline]
pub(super) fn may_begin(packet: &Packet) -> bool {
    packet.protocol != Protocol::TCP && may_begin_without_tcp(packet)
}

/// Not inlined: most packets are TCP.
#[inline(never)]
fn may_begin_without_tcp(packet: &Packet) -> bool {
    match packet.protocol {
        Protocol::UDP => is_tunnel_port(packet.destination_port) || is_source_port(packet.source_port),
        protocol::IPV4 | protocol::IPV6 | protocol::GRE | protocol::PIM | protocol::L2TP | AUTHENTICATION => true,
        _ => false,
    }
}

const fn is_tunnel_port(port: u16) -> bool {
    // All tunnel ports are in this range, which has no well-known port and no ephemeral port of Linux.
    port >= port::L2TP
        && port <= port::OLD_VXLAN
        && (is_source_port(port)
            || matches!(port, port::GTP_U | port::VXLAN | port::VXLAN_GPE | port::GENEVE | port::OLD_VXLAN))
}

/// Ports from which servers of tunnels answer.
const fn is_source_port(port: u16) -> bool {
    matches!(port, port::L2TP | port::TEREDO | port::CAPWAP_DATA)
}

/// The tunnel whose header follows the IP header of `packet`.
pub(super) fn find<'a>(packet: &Packet, behind: Payload<'a>) -> Option<Found<'a>> {
    match packet.protocol {
        protocol::IPV4 => ip_in_ip(ether_type::IPV4, behind.rest),
        protocol::IPV6 => ip_in_ip(ether_type::IPV6, behind.rest),
        protocol::GRE => gre::find(behind),
        protocol::PIM => pim::find(behind.rest),
        protocol::L2TP => l2tp::in_ip(behind),
        Protocol::UDP => in_udp(packet, behind.after(UDP_HEADER)),
        _ => None,
    }
}

fn in_udp<'a>(packet: &Packet, payload: Payload<'a>) -> Option<Found<'a>> {
    match packet.destination_port {
        port::VXLAN | port::VXLAN_GPE | port::OLD_VXLAN => vxlan::find(payload.rest),
        port::GENEVE => geneve::find(payload.rest),
        port::GTP_U => gtp::find(payload),
        other => match if is_source_port(other) { other } else { packet.source_port } {
            port::TEREDO => teredo::find(payload),
            port::L2TP => l2tp::in_udp(payload),
            port::CAPWAP_DATA => capwap::find(payload.rest),
            _ => None,
        },
    }
}

fn ip_in_ip(version: u16, rest: Rest<'_>) -> Option<Found<'_>> {
    Some(Found { kind: TunnelKind::IpInIp, id: None, inside: Inside::EtherType(version), rest })
}

/// The big-endian number in three bytes.
const fn be24(high: u8, middle: u8, low: u8) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}
