//! Frames made by hand and by etherparse's builder.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use pidflow_schema::record::Protocol;
use proptest::prelude::*;

use super::*;

const SOURCE: [u8; 4] = [10, 0, 0, 1];
const DESTINATION: [u8; 4] = [10, 0, 0, 2];
const SOURCE6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

fn decode_as(link: LinkType, data: &[u8], wire_octets: usize) -> Result<Packet, Discard> {
    let frame = Frame { time_ns: 1, wire_octets: wire_octets as u32, interface: 3, data };
    Decoder::default().decode(link, &frame)
}

fn ethernet(data: &[u8]) -> Result<Packet, Discard> {
    decode_as(LinkType::Ethernet, data, data.len())
}

/// An IPv4 and UDP header followed by `payload` bytes.
fn udp4(payload: usize) -> Vec<u8> {
    let mut data = Vec::new();
    PacketBuilder::ipv4(SOURCE, DESTINATION, 64).udp(5000, 53).write(&mut data, &vec![0; payload]).unwrap();
    data
}

/// An Ethernet header of this type and `payload`.
fn framed(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    data.extend(ether_type.to_be_bytes());
    data.extend(payload);
    data
}

#[test]
fn udp_over_ethernet_without_padding() {
    let mut data = framed(0x0800, &udp4(4));
    data.resize(60, 0);
    let packet = ethernet(&data).unwrap();
    assert_eq!((packet.octets, packet.frame_octets, packet.interface), (32, 60, 3));
    assert_eq!((packet.source(), packet.source_port), (IpAddr::from(SOURCE), 5000));
    assert_eq!((packet.destination(), packet.destination_port), (IpAddr::from(DESTINATION), 53));
    assert_eq!(packet.macs(), Some(([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])));
    assert_eq!((packet.vlan(), packet.fragment), (None, Fragment::Whole));
}

#[test]
fn tcp_over_ipv6() {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6(SOURCE6, DESTINATION6, 64);
    builder.tcp(443, 5000, 0xdead_beef, 1024).syn().ack(1).write(&mut data, b"hello").unwrap();
    let packet = ethernet(&data).unwrap();
    assert_eq!((packet.protocol, packet.octets), (Protocol::TCP, 65));
    assert_eq!((packet.tcp_sequence, packet.tcp_flags), (0xdead_beef, 0x12));
    assert_eq!(packet.source(), IpAddr::from(SOURCE6));
}

#[test]
fn the_innermost_tag_is_the_vlan() {
    let tag = |vlan: u16, next: u16, rest: &[u8]| [&vlan.to_be_bytes()[..], &next.to_be_bytes(), rest].concat();
    let inner = tag(0xe007, 0x0800, &udp4(0));
    assert_eq!(ethernet(&framed(0x8100, &inner)).unwrap().vlan(), Some(7));
    for outer in [0x88a8, 0x9100, 0x8100] {
        let packet = ethernet(&framed(outer, &tag(100, 0x8100, &inner))).unwrap();
        assert_eq!((packet.vlan(), packet.octets), (Some(7), 28));
    }
    let priority_only = tag(0xe000, 0x0800, &udp4(0));
    assert_eq!(ethernet(&framed(0x8100, &priority_only)).unwrap().vlan(), None);
}

#[test]
fn mpls_labels_are_taken_off() {
    let labels = [&[0, 1, 0, 64, 0, 2, 1, 64][..], &udp4(3)].concat();
    assert_eq!(ethernet(&framed(0x8847, &labels)).unwrap().octets, 31);
    assert_eq!(ethernet(&framed(0x8847, &[0, 2, 1, 64, 0, 0, 0, 0])), Err(Discard::MplsPayload));
    assert_eq!(ethernet(&framed(0x8847, &[0, 2, 0, 64, 0, 0])), Err(Discard::TruncatedLink));
}

#[test]
fn other_link_types() {
    let ip = udp4(9);
    let cooked = [&[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0][..], &ip].concat();
    let cooked2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], &ip].concat();
    let little = [&[2, 0, 0, 0][..], &ip].concat();
    let big = [&[0, 0, 0, 2][..], &ip].concat();
    let frames: [(u32, &[u8]); 9] = [
        (113, &cooked),
        (276, &cooked2),
        (0, &little),
        (0, &big),
        (108, &big),
        (101, &ip),
        (12, &ip),
        (14, &ip),
        (228, &ip),
    ];
    for (number, data) in frames {
        let packet = decode_as(LinkType::from(number), data, data.len()).unwrap();
        assert_eq!((packet.octets, packet.destination_port, packet.macs()), (37, 53, None), "{number}");
    }
    assert_eq!(decode_as(LinkType::from(147), &ip, ip.len()), Err(Discard::UnknownLinkType(147)));
}

#[test]
fn discards_that_are_not_ip_have_their_kind() {
    let kinds = [
        (0x0806, Discard::Arp),
        (0x0026, Discard::Llc),
        (0x88cc, Discard::Lldp),
        (0x8864, Discard::Pppoe),
        (0x1234, Discard::NonIp(0x1234)),
    ];
    for (ether_type, reason) in kinds {
        assert_eq!(ethernet(&framed(ether_type, &[0; 46])), Err(reason));
    }
    assert_eq!(ethernet(&[0; 13]), Err(Discard::TruncatedLink));
    assert_eq!(ethernet(&framed(0x8100, &[0, 7])), Err(Discard::TruncatedLink));
}

#[test]
fn lengths_that_cannot_be() {
    let whole = framed(0x0800, &udp4(100));
    assert_eq!(decode_as(LinkType::Ethernet, &whole[..60], whole.len()).unwrap().octets, 128);
    assert!(!decode_as(LinkType::Ethernet, &whole[..60], whole.len()).unwrap().is_beyond_frame());
    assert_eq!(ethernet(&whole[..33]), Err(Discard::TruncatedIp));
    let mut short = whole.clone();
    short[16..18].copy_from_slice(&19_u16.to_be_bytes());
    assert_eq!(ethernet(&short), Err(Discard::MalformedIp));
    let mut other_version = whole;
    other_version[14] = 0x55;
    assert_eq!(ethernet(&other_version), Err(Discard::MalformedIp));
}

#[test]
fn a_packet_longer_than_its_frame_counts_with_what_is_there() {
    let mut v6 = Vec::new();
    PacketBuilder::ipv6(SOURCE6, DESTINATION6, 64).udp(5000, 53).write(&mut v6, &[0; 100]).unwrap();
    for (ether_type, data, header) in [(0x0800, udp4(100), 20), (0x86dd, v6, 40)] {
        let whole = framed(ether_type, &data);
        assert!(!ethernet(&whole).unwrap().is_beyond_frame());
        let short = ethernet(&whole[..14 + header + 8]).unwrap();
        assert_eq!((short.octets, short.frame_octets), (header as u32 + 8, header as u32 + 22));
        assert_eq!((short.source_port, short.destination_port, short.is_beyond_frame()), (5000, 53, true));
        // There is no whole header of UDP, as in a datagram of that length.
        let cut = ethernet(&whole[..14 + header + 7]).unwrap();
        assert_eq!((cut.destination_port, cut.is_beyond_frame()), (0, true));
    }
}

#[test]
fn total_length_zero_takes_the_frame() {
    let mut data = framed(0x0800, &udp4(2000));
    data[16..18].copy_from_slice(&[0, 0]);
    assert_eq!(ethernet(&data).unwrap().octets, 2028);
    assert_eq!(decode_as(LinkType::Ethernet, &data[..100], 70_014).unwrap().octets, 70_000);
}

#[test]
fn a_cut_transport_header_leaves_the_flow_of_the_addresses() {
    let whole = framed(0x0800, &udp4(100));
    let packet = decode_as(LinkType::Ethernet, &whole[..36], whole.len()).unwrap();
    assert_eq!((packet.source_port, packet.octets), (0, 128));
}

#[test]
fn icmp_queries_have_their_identifier_for_ports() {
    let mut data = Vec::new();
    PacketBuilder::ipv4(SOURCE, DESTINATION, 64).icmpv4_echo_request(77, 1).write(&mut data, b"x").unwrap();
    let packet = ethernet(&framed(0x0800, &data)).unwrap();
    assert_eq!((packet.icmp_type_code(), packet.source_port, packet.destination_port), (Some(0x0800), 77, 77));
    data[20] = 3;
    data[21] = 1;
    let packet = ethernet(&framed(0x0800, &data)).unwrap();
    assert_eq!((packet.icmp_type_code(), packet.source_port), (Some(0x0301), 0));
    let mut data = Vec::new();
    PacketBuilder::ipv6(SOURCE6, DESTINATION6, 64).icmpv6_echo_reply(78, 1).write(&mut data, b"x").unwrap();
    let packet = ethernet(&framed(0x86dd, &data)).unwrap();
    assert_eq!((packet.icmp_type_code(), packet.source_port), (Some(129 * 256), 78));
}

/// An IPv6 header with this payload length and next header.
fn ipv6(payload_length: u16, next: u8, rest: &[u8]) -> Vec<u8> {
    let mut data = vec![0x60, 0, 0, 0];
    data.extend(payload_length.to_be_bytes());
    data.extend([next, 64]);
    data.extend(SOURCE6);
    data.extend(DESTINATION6);
    data.extend(rest);
    data
}

#[test]
fn ipv6_extension_headers() {
    let ports = [0, 7, 0, 9, 0, 8, 0, 0];
    let hop_routing_options = [&[43, 0, 1, 4, 0, 0, 0, 0][..], &[60, 0, 0, 0, 0, 0, 0, 0], &[17, 0, 1, 4, 0, 0, 0, 0]];
    let rest = [&hop_routing_options.concat()[..], &ports].concat();
    let packet = ethernet(&framed(0x86dd, &ipv6(32, 0, &rest))).unwrap();
    assert_eq!((packet.protocol, packet.source_port, packet.destination_port, packet.octets), (17, 7, 9, 72));
    assert_eq!(ethernet(&framed(0x86dd, &ipv6(8, 0, &[6, 9, 0, 0, 0, 0, 0, 0]))), Err(Discard::TruncatedExtension));
    let mut padded = framed(0x86dd, &ipv6(0, 59, &[]));
    padded.resize(60, 0);
    assert_eq!(ethernet(&padded).map(|p| (p.protocol, p.octets)), Ok((59, 40)));
    let jumbo = ipv6(0, 0, &[&[17, 0, 0xc2, 4, 0, 1, 0x38, 0x80][..], &ports].concat());
    let packet = decode_as(LinkType::RawIp, &jumbo, 80_040).unwrap();
    assert_eq!((packet.octets, packet.destination_port), (80_040, 9));
}

fn fragment4(id: u16, flags_and_offset: u16) -> Vec<u8> {
    let mut ip = udp4(8);
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    ip[6..8].copy_from_slice(&flags_and_offset.to_be_bytes());
    framed(0x0800, &ip)
}

fn fragment6(offset_and_more: u16) -> Vec<u8> {
    let [high, low] = offset_and_more.to_be_bytes();
    let header = [17, 0, high, low, 0, 0, 0, 9];
    framed(0x86dd, &ipv6(16, 44, &[header, [0, 7, 0, 9, 0, 8, 0, 0]].concat()))
}

#[test]
fn later_fragments_join_the_first_one() {
    for (first, later) in [(fragment4(9, 0x2000), fragment4(9, 2)), (fragment6(1), fragment6(8))] {
        let frame = |data| Frame { time_ns: 1, wire_octets: 100, interface: 0, data };
        let mut decoder = Decoder::new(Fragments::Join.into());
        let orphan = decoder.decode(LinkType::Ethernet, &frame(&later)).unwrap();
        assert_eq!((orphan.fragment, orphan.source_port), (Fragment::Later, 0));
        let first = decoder.decode(LinkType::Ethernet, &frame(&first)).unwrap();
        let joined = decoder.decode(LinkType::Ethernet, &frame(&later)).unwrap();
        assert_eq!((first.fragment, first.destination_port != 0), (Fragment::First, true));
        assert_eq!((joined.source_port, joined.destination_port), (first.source_port, first.destination_port));
        let mut late = frame(&later);
        late.time_ns = 31_000_000_000;
        assert_eq!(decoder.decode(LinkType::Ethernet, &late).unwrap().source_port, 0);
        let separate = Decoder::new(Fragments::Separate.into()).decode(LinkType::Ethernet, &frame(&later));
        assert_eq!(separate, Err(Discard::LaterFragment));
    }
}

#[test]
fn an_atomic_fragment_is_a_whole_datagram() {
    let packet = ethernet(&fragment6(0)).unwrap();
    assert_eq!((packet.fragment, packet.source_port), (Fragment::Whole, 7));
}

proptest! {
    /// Any bytes on any link, cut anywhere, give a result, and lengths are within the frame.
    #[test]
    fn never_panics(link in 0..300_u32, data in prop::collection::vec(any::<u8>(), 0..200), more in 0..2000_usize) {
        let wire = data.len() + more;
        if let Ok(packet) = decode_as(LinkType::from(link), &data, wire) {
            prop_assert!(packet.octets as usize <= wire);
        }
    }

    /// The same with valid first bytes, so that decoding gets further.
    #[test]
    fn never_panics_behind_ethernet(
        ether_type in prop::sample::select(vec![0x0800_u16, 0x86dd, 0x8100, 0x8847]),
        first in prop::sample::select(vec![0x45_u8, 0x46, 0x60, 0x6f]),
        rest in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let data = framed(ether_type, &[&[first][..], &rest].concat());
        if let Ok(packet) = ethernet(&data) {
            prop_assert!(packet.octets as usize <= data.len());
        }
    }
}
