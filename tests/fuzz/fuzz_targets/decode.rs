//! Frames: the first two bytes choose the link type and how much of the frame the capture cut off. etherparse and
//! pidflow must decode a whole frame to the same fields when pidflow does not decode tunnels; with tunnels, every frame
//! is decoded or discarded.
#![no_main]

use etherparse::{InternetSlice, SlicedPacket, TransportSlice};
use libfuzzer_sys::fuzz_target;
use pidflow_engine::decode::{
    DecodeRules, Decoder, Discard, Fragments, Frame, LinkType, PayloadRule, TcpRule, Tunnels,
};
use pidflow_engine::packet::{Fragment, Packet};

/// Link types that are decoded, and one that is not.
const LINKS: [u32; 10] = [1, 113, 276, 0, 108, 101, 228, 229, 147, 9];
/// Extension headers at which etherparse stops: mobility, HIP, SHIM6, and every header that is out of order.
const NOT_WALKED: [u8; 7] = [0, 43, 44, 60, 135, 139, 140];
/// etherparse skips this header; pidflow takes it for the transport protocol.
const AUTHENTICATION_HEADER: u8 = 51;

fuzz_target!(|input: &[u8]| {
    let [link, cut, data @ ..] = input else { return };
    let number = LINKS[usize::from(*link) % LINKS.len()];
    let wire_octets = data.len() as u32 + u32::from(*cut) * 8;
    let frame = Frame { time_ns: 1, wire_octets, interface: 0, data };
    let fragments = if cut % 2 == 0 { Fragments::Join } else { Fragments::Separate };
    let decode = |tunnels| {
        let decode = |payloads, tcp| {
            Decoder::new(DecodeRules { fragments, tunnels, payloads, tcp, inspected: None })
                .decode(LinkType::from(number), &frame)
        };
        let decoded = decode(PayloadRule::Ignore, TcpRule::Ignore);
        let known = |p: Packet| {
            let ends = (p.source(), p.source_port, p.destination(), p.destination_port, p.protocol, p.vlan());
            (ends, p.octets, p.icmp_type_code(), p.tcp_flags, p.tcp_sequence, p.fragment)
        };
        assert_eq!(decode(PayloadRule::Pick, TcpRule::Measure).map(known), decoded.map(known));
        if let Ok(packet) = &decoded {
            assert!(packet.octets <= wire_octets);
            assert_eq!(packet.frame_octets, wire_octets);
        }
        decoded
    };
    let (decoded, opened) = (decode(Tunnels::Outer), decode(Tunnels::Inner));
    let is_later_inside = opened == Err(Discard::LaterFragment);
    assert!(opened.is_ok() == decoded.is_ok() || is_later_inside, "{opened:?} {decoded:?}");
    let other = match number {
        1 => SlicedPacket::from_ethernet(data),
        101 | 228 | 229 => SlicedPacket::from_ip(data),
        _ => return,
    };
    if let (0, Ok(other)) = (*cut, other) {
        agrees(&decoded, &other);
    }
});

/// Compares only the fields that etherparse decodes: it reads fewer tags, labels and link layers, and no fragments.
fn agrees(ours: &Result<Packet, Discard>, other: &SlicedPacket<'_>) {
    match &other.net {
        Some(InternetSlice::Ipv4(ip)) if ip.extensions().auth.is_none() => {
            let header = ip.header();
            let packet = ours.as_ref().expect("an IPv4 packet");
            assert_eq!(packet.source(), header.source_addr());
            assert_eq!(packet.destination(), header.destination_addr());
            assert_eq!(packet.ttl, header.ttl());
            assert_eq!(packet.protocol, header.protocol().0);
            assert_eq!(packet.fragment != Fragment::Whole, header.is_fragmenting_payload());
            assert!(header.total_len() == 0 || packet.octets == header.total_len().into());
        }
        Some(InternetSlice::Ipv6(ip)) if !has_authentication(ip) && !NOT_WALKED.contains(&ip.payload().ip_number.0) => {
            if matches!(ours, Err(Discard::HeaderChainIncomplete)) {
                return;
            }
            let packet = ours.as_ref().expect("an IPv6 packet");
            assert_eq!(packet.source(), ip.header().source_addr());
            assert_eq!(packet.destination(), ip.header().destination_addr());
            assert_eq!(packet.fragment != Fragment::Whole, ip.is_payload_fragmented());
            assert_eq!(packet.tos, ip.header().traffic_class());
            assert_eq!(packet.ttl, ip.header().hop_limit());
        }
        _ => return,
    }
    if let (Some(transport), Ok(packet)) = (&other.transport, ours) {
        agrees_on_transport(packet, transport);
    }
}

fn has_authentication(ip: &etherparse::Ipv6Slice<'_>) -> bool {
    ip.header().next_header().0 == AUTHENTICATION_HEADER
        || ip.extensions().clone().into_iter().any(|e| matches!(e, etherparse::Ipv6ExtensionSlice::Authentication(_)))
}

fn agrees_on_transport(packet: &Packet, transport: &TransportSlice<'_>) {
    let ports = (packet.source_port, packet.destination_port);
    match transport {
        TransportSlice::Udp(udp) => assert_eq!(ports, (udp.source_port(), udp.destination_port())),
        TransportSlice::Tcp(tcp) => {
            assert_eq!(ports, (tcp.source_port(), tcp.destination_port()));
            assert_eq!((packet.tcp_sequence, packet.tcp_flags), (tcp.sequence_number(), tcp.slice()[13]));
        }
        TransportSlice::Icmpv4(icmp) => assert_eq!(packet.icmp_type_code(), type_code(icmp.type_u8(), icmp.code_u8())),
        TransportSlice::Icmpv6(icmp) => assert_eq!(packet.icmp_type_code(), type_code(icmp.type_u8(), icmp.code_u8())),
        TransportSlice::Igmp(_) => assert_eq!(ports, (0, 0)),
    }
}

fn type_code(icmp_type: u8, code: u8) -> Option<u16> {
    Some(u16::from_be_bytes([icmp_type, code]))
}
