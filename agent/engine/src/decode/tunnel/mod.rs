//! Where a packet begins a tunnel: recognised by protocol or port, and only if every field of the tunnel's header that has
//! fixed values has one of them.

mod erspan;
mod geneve;
mod gre;
mod gtp;
mod pim;
mod teredo;
#[cfg(test)]
mod tests;
mod vxlan;

use pidflow_schema::record::{Protocol, TunnelKind};

use super::ip::AUTHENTICATION;
use super::link::{self, ether_type};
use super::{Discard, Rest, ppp};
use crate::packet::Packet;

/// IP protocol numbers of tunnels (IANA).
mod protocol {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
    pub(super) const PIM: u8 = 103;
}

/// UDP ports of tunnels (IANA), and the one that Linux used for VXLAN before there was one.
mod port {
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const OLD_VXLAN: u16 = 8472;
}

/// Octets of a UDP header.
const UDP_HEADER: usize = 8;

/// What is inside of a tunnel's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// IPv4 or IPv6, as its version says.
    Ip,
    /// What this EtherType says.
    EtherType(u16),
    /// A PPP frame.
    Ppp,
}

impl Inside {
    const ETHERNET: Self = Self::EtherType(ether_type::ETHERNET);
}

/// A tunnel's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) kind: TunnelKind,
    pub(super) id: Option<u32>,
    inside: Inside,
    rest: Rest<'a>,
}

impl<'a> Found<'a> {
    /// Fills `packet`, and gives what is behind its IP header.
    pub(super) fn decode(&self, packet: &mut Packet) -> Result<Rest<'a>, Discard> {
        match self.inside {
            Inside::Ip => link::by_version(self.rest, packet),
            Inside::ETHERNET => link::ethernet(self.rest, packet),
            Inside::EtherType(ether_type) => link::network(ether_type, self.rest, packet),
            Inside::Ppp => ppp::ppp(self.rest, packet),
        }
    }
}

/// Whether it is worth a look if the packet begins a tunnel, or has an Authentication Header.
#[inline]
pub(super) const fn may_begin(packet: &Packet) -> bool {
    match packet.protocol {
        Protocol::TCP => false,
        Protocol::UDP => is_tunnel_port(packet.destination_port) || packet.source_port == port::TEREDO,
        protocol::IPV4 | protocol::IPV6 | protocol::GRE | protocol::PIM | AUTHENTICATION => true,
        _ => false,
    }
}

#[inline]
const fn is_tunnel_port(port: u16) -> bool {
    matches!(port, port::GTP_U | port::TEREDO | port::VXLAN | port::VXLAN_GPE | port::GENEVE | port::OLD_VXLAN)
}

/// The tunnel that begins behind the IP header of `packet`.
pub(super) fn find<'a>(packet: &Packet, behind: Rest<'a>) -> Option<Found<'a>> {
    match packet.protocol {
        protocol::IPV4 => ip_in_ip(ether_type::IPV4, behind),
        protocol::IPV6 => ip_in_ip(ether_type::IPV6, behind),
        protocol::GRE => gre::find(behind),
        protocol::PIM => pim::find(behind),
        Protocol::UDP => in_udp(packet, behind.after(UDP_HEADER)),
        _ => None,
    }
}

fn in_udp<'a>(packet: &Packet, payload: Rest<'a>) -> Option<Found<'a>> {
    match packet.destination_port {
        port::VXLAN | port::VXLAN_GPE | port::OLD_VXLAN => vxlan::find(payload),
        port::GENEVE => geneve::find(payload),
        port::GTP_U => gtp::find(payload),
        _ if packet.source_port == port::TEREDO || packet.destination_port == port::TEREDO => teredo::find(payload),
        _ => None,
    }
}

fn ip_in_ip(version: u16, rest: Rest<'_>) -> Option<Found<'_>> {
    Some(Found { kind: TunnelKind::IpInIp, id: None, inside: Inside::EtherType(version), rest })
}

/// The big-endian number in three octets.
const fn be24(high: u8, middle: u8, low: u8) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}
