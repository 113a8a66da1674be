//! Packets that the kernel sends and receives itself, without any process.

use pidflow_schema::Protocol;

use super::FlowEnd;

/// IGMP, IP in IP, DCCP, IPv6 in IP, GRE, ESP, AH, IPComp, L2TP, UDP-Lite, MPLS in IP, Ethernet in IP (IANA "Protocol
/// Numbers").
const IGMP: u8 = 2;
const IPIP: u8 = 4;
const DCCP: u8 = 33;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const ESP: u8 = 50;
const AH: u8 = 51;
const IPCOMP: u8 = 108;
const L2TP: u8 = 115;
const UDP_LITE: u8 = 136;
const MPLS_IN_IP: u8 = 137;
const ETHERNET: u8 = 143;

/// Well-known UDP ports of tunnels that the kernel terminates: GTP-U, VXLAN, Geneve, and Linux' first VXLAN port.
const TUNNEL_PORTS: [u16; 4] = [2152, 4789, 6081, 8472];

/// Whether the kernel handles packets of the protocol, so that a process with a raw socket only receives copies.
pub(super) const fn handles(protocol: u8) -> bool {
    sends(protocol) || matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::SCTP | DCCP | UDP_LITE)
}

/// Whether the kernel also sends packets of the protocol without a call of a process.
const fn sends(protocol: u8) -> bool {
    let is_tunnel = matches!(protocol, IPIP | IPV6 | GRE | ESP | AH | IPCOMP | L2TP | MPLS_IN_IP | ETHERNET);
    is_icmp(protocol) || protocol == IGMP || is_tunnel
}

/// Whether packets like those of this end may have been sent by the kernel.
pub(super) const fn may_send(end: &FlowEnd) -> bool {
    sends(end.protocol) && !asks(end)
}

pub(super) const fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, Protocol::ICMP | Protocol::ICMPV6)
}

/// Whether it is an ICMP query, which the kernel answers but does not send (RFC 792, RFC 4443, RFC 8335).
const fn asks(end: &FlowEnd) -> bool {
    match (end.protocol, end.icmp_type) {
        (Protocol::ICMP, Some(kind)) => matches!(kind, 8 | 13 | 15 | 17 | 42),
        (Protocol::ICMPV6, Some(kind)) => matches!(kind, 128 | 139 | 160),
        _ => false,
    }
}

/// Whether the kernel itself sends messages of this type, so that one sent by a process cannot be distinguished.
///
/// ICMP (RFC 792): echo reply, unreachable, redirect, time exceeded, parameter problem, time stamp and mask reply. ICMPv6:
/// errors and echo reply (RFC 4443), listener reports (RFC 2710, RFC 3810), neighbour discovery but for what only routers'
/// and configuration programs send (RFC 4861).
pub(super) const fn makes(end: &FlowEnd) -> bool {
    match (end.protocol, end.icmp_type) {
        (Protocol::ICMP, Some(kind)) => matches!(kind, 0 | 3 | 5 | 11 | 12 | 14 | 18 | 43),
        (Protocol::ICMPV6, Some(kind)) => matches!(kind, 1..=4 | 129 | 131 | 132 | 135..=137 | 143 | 161),
        _ => false,
    }
}

/// Whether the flow is one of a tunnel device's outer packets, which no process sends or receives.
pub(super) fn is_tunnel(protocol: u8, ports: [u16; 2]) -> bool {
    protocol == Protocol::UDP && ports.iter().any(|port| TUNNEL_PORTS.contains(port))
}
