//! Tunnels made by hand.

use std::net::IpAddr;

use pidflow_schema::record::{Protocol, TunnelKind};

use super::protocol;
use crate::decode::{DecodeRules, Decoder, Discard, Fragments, Frame, LinkType, Tunnels};
use crate::packet::{Fragment, Packet};
use crate::tunnel::PacketTunnel;

const OUTER: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];
const INNER: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 0, 2]];
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa];

fn v6([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

fn ipv4(ends: [[u8; 4]; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, high, low, 0, 9, 0, 0, 64, protocol, 0, 0];
    [&header[..], &ends.concat(), payload].concat()
}

fn ipv6(ends: [[u8; 4]; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x60, 0, 0, 0, high, low, protocol, 64][..], &ends.map(v6).concat(), payload].concat()
}

fn udp(destination: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let [to_high, to_low] = destination.to_be_bytes();
    [&[0xc0, 1, to_high, to_low, high, low, 0, 0][..], payload].concat()
}

/// The packet that all tunnels here carry: port 7 to port 9, four bytes.
fn inner4() -> Vec<u8> {
    ipv4(INNER, Protocol::UDP, &[0, 7, 0, 9, 0, 12, 0, 0, b'd', b'a', b't', b'a'])
}

fn inner6() -> Vec<u8> {
    ipv6(INNER, Protocol::UDP, &[0, 7, 0, 9, 0, 12, 0, 0, b'd', b'a', b't', b'a'])
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&MACS[..], &ether_type.to_be_bytes(), payload].concat()
}

fn inner_frame() -> Vec<u8> {
    ethernet(0x0800, &inner4())
}

fn in_udp(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    ipv4(OUTER, Protocol::UDP, &udp(port, &[header, inner].concat()))
}

fn in_gre(header: &[u8], inner: &[u8]) -> Vec<u8> {
    ipv4(OUTER, protocol::GRE, &[header, inner].concat())
}

struct Case {
    name: &'static str,
    /// The packet from the outer IP header on.
    packet: Vec<u8>,
    kind: TunnelKind,
    id: Option<u32>,
}

fn case(name: &'static str, packet: Vec<u8>, kind: TunnelKind, id: Option<u32>) -> Case {
    Case { name, packet, kind, id }
}

const VXLAN: [u8; 8] = [8, 0, 0, 0, 0, 0x13, 0x89, 0];

fn ip_in_ip() -> Vec<Case> {
    let kind = TunnelKind::IpInIp;
    vec![
        case("4in4", ipv4(OUTER, 4, &inner4()), kind, None),
        case("6in4", ipv4(OUTER, 41, &inner6()), kind, None),
        case("4in6", ipv6(OUTER, 4, &inner4()), kind, None),
        case("6in6", ipv6(OUTER, 41, &inner6()), kind, None),
        case(
            "PIM register",
            ipv4(OUTER, 103, &[&[0x21, 0, 9, 9, 0, 0, 0, 0][..], &inner4()].concat()),
            TunnelKind::PimRegister,
            None,
        ),
    ]
}

fn gre() -> Vec<Case> {
    let ppp = [&[0xff, 3, 0, 0x21][..], &inner4()].concat();
    let short_ppp = [&[0x21][..], &inner4()].concat();
    let length = u8::try_from(short_ppp.len()).unwrap();
    let mpls = [&[0, 1, 0, 64, 0, 2, 1, 64][..], &inner4()].concat();
    let key = Some(0x0102_0304);
    vec![
        case("GRE", in_gre(&[0, 0, 8, 0], &inner4()), TunnelKind::Gre, None),
        case("GRE with IPv6", in_gre(&[0, 0, 0x86, 0xdd], &inner6()), TunnelKind::Gre, None),
        case("GRE over IPv6", ipv6(OUTER, 47, &[&[0, 0, 8, 0][..], &inner4()].concat()), TunnelKind::Gre, None),
        case("GRE, checksum", in_gre(&[0x80, 0, 8, 0, 1, 2, 0, 0], &inner4()), TunnelKind::Gre, None),
        case("GRE, key", in_gre(&[0x20, 0, 8, 0, 1, 2, 3, 4], &inner4()), TunnelKind::Gre, key),
        case(
            "GRE, checksum, key, sequence number",
            in_gre(&[0xb0, 0, 8, 0, 9, 9, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1], &inner4()),
            TunnelKind::Gre,
            key,
        ),
        case("GRE with Ethernet", in_gre(&[0, 0, 0x65, 0x58], &inner_frame()), TunnelKind::Gre, None),
        case(
            "GRE with Ethernet and a small key",
            in_gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 42], &inner_frame()),
            TunnelKind::Gre,
            Some(42),
        ),
        case("GRE with PPP", in_gre(&[0, 0, 0x88, 0x0b], &ppp), TunnelKind::Gre, None),
        case("GRE with MPLS", in_gre(&[0, 0, 0x88, 0x47], &mpls), TunnelKind::Gre, None),
        case("NVGRE", in_gre(&[0x20, 0, 0x65, 0x58, 0, 0x13, 0x89, 77], &inner_frame()), TunnelKind::Nvgre, Some(5001)),
        case(
            "PPTP",
            in_gre(&[0x30, 1, 0x88, 0x0b, 0, length, 0, 77, 0, 0, 0, 5], &short_ppp),
            TunnelKind::Pptp,
            Some(77),
        ),
        case(
            "PPTP, acknowledgement",
            in_gre(&[0x30, 0x81, 0x88, 0x0b, 0, length, 0, 77, 0, 0, 0, 5, 0, 0, 0, 6], &short_ppp),
            TunnelKind::Pptp,
            Some(77),
        ),
        case("ERSPAN I", in_gre(&[0, 0, 0x88, 0xbe], &inner_frame()), TunnelKind::Erspan, None),
        case(
            "ERSPAN II",
            in_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0xfc, 0x2a, 0, 0, 0, 7], &inner_frame()),
            TunnelKind::Erspan,
            Some(42),
        ),
        case(
            "ERSPAN III",
            in_gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 0x2a, 1, 2, 3, 4, 0, 0, 0, 0], &inner_frame()),
            TunnelKind::Erspan,
            Some(42),
        ),
        case(
            "ERSPAN III with IP and a platform header",
            in_gre(
                &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 0x2a, 1, 2, 3, 4, 0, 0, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1],
                &inner4(),
            ),
            TunnelKind::Erspan,
            Some(42),
        ),
    ]
}

fn virtual_networks() -> Vec<Case> {
    let (vxlan, gpe, geneve) = (TunnelKind::Vxlan, TunnelKind::VxlanGpe, TunnelKind::Geneve);
    let vni = Some(5001);
    let over6 = ipv6(OUTER, Protocol::UDP, &udp(4789, &[&VXLAN[..], &inner_frame()].concat()));
    let tagged = ethernet(0x8100, &[&[0, 5, 8, 0][..], &inner4()].concat());
    vec![
        case("VXLAN", in_udp(4789, &VXLAN, &inner_frame()), vxlan, vni),
        case("VXLAN over IPv6", over6, vxlan, vni),
        case("VXLAN, Linux' old port", in_udp(8472, &VXLAN, &inner_frame()), vxlan, vni),
        case("VXLAN, group policy", in_udp(4789, &[0x88, 8, 1, 2, 0, 0x13, 0x89, 0], &inner_frame()), vxlan, vni),
        case("VXLAN with a VLAN inside", in_udp(4789, &VXLAN, &tagged), vxlan, vni),
        case("VXLAN-GPE, IPv4", in_udp(4790, &[0xc, 0, 0, 1, 0, 0x13, 0x89, 0], &inner4()), gpe, vni),
        case("VXLAN-GPE, IPv6", in_udp(4790, &[0xc, 0, 0, 2, 0, 0x13, 0x89, 0], &inner6()), gpe, vni),
        case("VXLAN-GPE, Ethernet", in_udp(4789, &[0xe, 0, 0, 3, 0, 0x13, 0x89, 0], &inner_frame()), gpe, vni),
        case("Geneve", in_udp(6081, &[0, 0, 0x65, 0x58, 0, 0x13, 0x89, 0], &inner_frame()), geneve, vni),
        case(
            "Geneve, IPv4, options",
            in_udp(6081, &[2, 0x40, 8, 0, 0, 0x13, 0x89, 0, 1, 2, 0x80, 1, 9, 9, 9, 9], &inner4()),
            geneve,
            vni,
        ),
        case("Geneve, IPv6", in_udp(6081, &[0, 0, 0x86, 0xdd, 0, 0x13, 0x89, 0], &inner6()), geneve, vni),
    ]
}

fn mobile_and_home() -> Vec<Case> {
    let gtp = |flags: u8, rest: &[u8], inner: &[u8]| {
        let length = u16::try_from(rest.len() + inner.len()).unwrap().to_be_bytes();
        in_udp(2152, &[&[flags, 0xff, length[0], length[1], 0, 0, 0, 9][..], rest].concat(), inner)
    };
    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    let authentication = [0, 1, 2, 1, b'i', b'd', b'v', 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let (kind, teredo) = (TunnelKind::GtpU, TunnelKind::Teredo);
    vec![
        case("GTP-U", gtp(0x30, &[], &inner4()), kind, Some(9)),
        case("GTP-U with IPv6", gtp(0x30, &[], &inner6()), kind, Some(9)),
        case("GTP-U, sequence number", gtp(0x32, &[0, 1, 0, 0], &inner4()), kind, Some(9)),
        case(
            "GTP-U, extension headers",
            gtp(0x34, &[0, 0, 0, 0x85, 1, 0x10, 9, 0x40, 2, 1, 2, 3, 4, 5, 6, 0], &inner4()),
            kind,
            Some(9),
        ),
        case("Teredo", in_udp(3544, &[], &inner6()), teredo, None),
        case("Teredo, origin", in_udp(3544, &origin, &inner6()), teredo, None),
        case("Teredo, authentication", in_udp(3544, &[&authentication[..], &origin].concat(), &inner6()), teredo, None),
    ]
}

/// The same, as the sender of the packet would have filled the checksum.
fn inner4_right() -> Vec<u8> {
    let mut packet = inner4();
    let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    packet[10..12].copy_from_slice(&(!(sum as u16 + (sum >> 16) as u16)).to_be_bytes());
    packet
}

fn l2tp(header: &[u8], inner: &[u8]) -> Vec<u8> {
    in_udp(1701, header, inner)
}

fn l2tp_and_capwap() -> Vec<Case> {
    let kind = TunnelKind::L2tp;
    let ppp = [&[0xff, 3, 0, 0x21][..], &inner4()].concat();
    let right_ppp = [&[0xff, 3, 0, 0x21][..], &inner4_right()].concat();
    let frame = ethernet(0x0800, &inner4_right());
    let frame6 = ethernet(0x86dd, &inner6());
    let in_ip = |front: &[u8], inner: &[u8]| ipv4(OUTER, 115, &[front, inner].concat());
    let wlan = |control: [u8; 2], more: &[u8]| {
        [&control[..], &[0; 22], more, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner4()].concat()
    };
    let length = u8::try_from(8 + ppp.len()).unwrap();
    vec![
        case("L2TP 2", l2tp(&[0, 2, 0, 7, 0, 9], &ppp), kind, Some(7 << 16 | 9)),
        case("L2TP 2, length", l2tp(&[0x40, 2, 0, length, 0, 7, 0, 9], &ppp), kind, Some(7 << 16 | 9)),
        case(
            "L2TP 2, everything",
            l2tp(&[0x4b, 2, 0, length + 9, 0, 7, 0, 9, 0, 1, 0, 2, 0, 3, 1, 2, 3], &ppp),
            kind,
            Some(7 << 16 | 9),
        ),
        case("L2TP 3 in UDP", l2tp(&[0, 3, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0], &frame), kind, Some(258)),
        case("L2TP 3 in IP", in_ip(&[0, 0, 1, 2], &frame), kind, Some(258)),
        case("L2TP 3 with cookie", in_ip(&[0, 0, 1, 2, 9, 9, 9, 9, 9, 9, 9, 9], &frame6), kind, Some(258)),
        case("L2TP 3 with both", in_ip(&[0, 0, 1, 2, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0], &frame6), kind, Some(258)),
        case("L2TP 3 with PPP", in_ip(&[0, 0, 1, 2], &right_ppp), kind, Some(258)),
        case("CAPWAP with 802.3", in_udp(5247, &[0, 0x10, 2, 0, 0, 0, 0, 0], &inner_frame()), TunnelKind::Capwap, None),
        case(
            "CAPWAP with 802.11",
            in_udp(5247, &[0, 0x10, 3, 0, 0, 0, 0, 0], &wlan([8, 1], &[])),
            TunnelKind::Capwap,
            None,
        ),
        case(
            "CAPWAP with 802.11 and more",
            in_udp(5247, &[0, 0x20, 3, 0x10, 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0], &wlan([0x83, 0x88], &[0; 12])),
            TunnelKind::Capwap,
            None,
        ),
    ]
}

fn cases() -> Vec<Case> {
    [ip_in_ip(), gre(), virtual_networks(), mobile_and_home(), l2tp_and_capwap()].into_iter().flatten().collect()
}

type Decoded = Result<(Packet, Option<PacketTunnel>), Discard>;

fn decode_as(rules: DecodeRules, data: &[u8], wire_octets: usize) -> Decoded {
    let mut decoder = Decoder::new(rules);
    let frame = Frame { time_ns: 1, wire_octets: u32::try_from(wire_octets).unwrap(), interface: 3, data };
    let packet = decoder.decode(LinkType::Ethernet, &frame)?;
    let tunnels = decoder.take_tunnels();
    Ok((packet, packet.tunnel.checked_sub(1).map(|index| tunnels[index as usize])))
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    let mut frame = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &u16::to_be_bytes(ether_type), packet].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

fn decode(packet: &[u8]) -> Decoded {
    let frame = framed(packet);
    decode_as(DecodeRules::default(), &frame, frame.len())
}

fn ends(pair: [[u8; 4]; 2], is_v6: bool) -> [IpAddr; 2] {
    if is_v6 { pair.map(|a| v6(a).into()) } else { pair.map(IpAddr::from) }
}

fn is_between(packet: &Packet, pair: [[u8; 4]; 2]) -> bool {
    [true, false].iter().any(|is_v6| [packet.source(), packet.destination()] == ends(pair, *is_v6))
}

fn is_inner(packet: &Packet) -> bool {
    is_between(packet, INNER)
}

#[test]
fn every_kind_is_opened() {
    for Case { name, packet, kind, id } in cases() {
        let frame = framed(&packet);
        let (inner, tunnel) = decode(&packet).unwrap();
        assert!(is_inner(&inner), "{name}: {inner:?}");
        let is_v6 = inner.source().is_ipv6();
        assert_eq!((inner.source_port, inner.destination_port, inner.protocol), (7, 9, Protocol::UDP), "{name}");
        assert_eq!((inner.octets, inner.frame_octets), (if is_v6 { 52 } else { 32 }, frame.len() as u32), "{name}");
        assert_eq!(inner.fragment, Fragment::Whole, "{name}");
        let has_frame = packet.windows(MACS.len()).any(|part| part == MACS);
        assert_eq!(inner.macs(), has_frame.then_some(([2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb])), "{name}");
        let [source, destination] = ends(OUTER, packet[0] >> 4 == 6);
        let outer = Packet::new(1, 0, (source, 0), (destination, 0));
        assert_eq!(tunnel, Some(PacketTunnel::around(&outer, kind, id)), "{name}");
    }
}

#[test]
fn nothing_is_opened_where_the_rule_says_so() {
    let rules = DecodeRules { tunnels: Tunnels::Outer, ..DecodeRules::default() };
    for Case { name, packet, .. } in cases() {
        let frame = framed(&packet);
        let (outer, tunnel) = decode_as(rules, &frame, frame.len()).unwrap();
        assert!(is_between(&outer, OUTER) && tunnel.is_none(), "{name}: {outer:?}");
        assert_eq!(outer.octets as usize, packet.len(), "{name}");
    }
}

/// Whether cut by the capture or short on the wire, the result is the inner packet, the outer packet, or a discard
/// reason, never another packet.
#[test]
fn cut_anywhere_it_is_one_of_both() {
    for Case { name, packet, .. } in cases() {
        let frame = framed(&packet);
        for length in 0..frame.len() {
            for wire in [length, frame.len()] {
                let decoded = decode_as(DecodeRules::default(), &frame[..length], wire);
                let Ok((decoded, tunnel)) = decoded else { continue };
                let is_opened = is_inner(&decoded);
                assert_eq!(is_opened, tunnel.is_some(), "{name} cut at {length}");
                assert!(is_opened || is_between(&decoded, OUTER), "{name} cut at {length}: {decoded:?}");
                assert!(decoded.octets as usize <= wire, "{name} cut at {length}");
            }
        }
    }
}

/// The inner datagram states more bytes than the tunnel's packet has.
#[test]
fn what_does_not_fit_inside_is_not_opened() {
    for Case { name, packet, .. } in cases() {
        let mut longer = packet.clone();
        let inner = packet.len()
            - if packet.windows(4).any(|w| w == [0x20, 1, 0xd, 0xb8]) && packet.ends_with(&inner6()) { 52 } else { 32 };
        let length_at = inner + if packet[inner] >> 4 == 4 { 2 } else { 4 };
        longer[length_at] = 0x40;
        let (outer, tunnel) = decode(&longer).unwrap();
        assert!(is_between(&outer, OUTER) && tunnel.is_none(), "{name}");
    }
}

/// If the tunnel's packet is longer by its header than the frame, the one inside may be too.
#[test]
fn inside_of_a_packet_longer_than_its_frame_is_another_one() {
    let inner = ipv4(INNER, Protocol::UDP, &[&[0, 7, 0, 9, 0, 108, 0, 0][..], &[0; 100]].concat());
    for packet in
        [in_udp(4789, &VXLAN, &ethernet(0x0800, &inner)), ipv4(OUTER, 4, &inner), in_gre(&[0, 0, 8, 0], &inner)]
    {
        let frame = framed(&packet);
        let (short, tunnel) = decode_as(DecodeRules::default(), &frame[..frame.len() - 50], frame.len() - 50).unwrap();
        assert!(is_inner(&short) && tunnel.is_some() && short.is_beyond_frame(), "{short:?}");
        assert_eq!((short.octets, short.source_port, short.destination_port), (78, 7, 9));
    }
}

/// Headers with a reserved bit set, and other messages of the same protocols.
#[test]
fn what_is_not_certain_is_a_plain_flow() {
    let plain: [(&str, Vec<u8>); 33] = [
        ("what looks like Teredo on another port", in_udp(3545, &[], &inner6())),
        ("VXLAN without VNI", in_udp(4789, &[0, 0, 0, 0, 0, 1, 2, 0], &inner_frame())),
        ("VXLAN, reserved flag", in_udp(4789, &[0x18, 0, 0, 0, 0, 1, 2, 0], &inner_frame())),
        ("VXLAN, reserved octet in front", in_udp(4789, &[8, 0, 1, 0, 0, 1, 2, 0], &inner_frame())),
        ("VXLAN, reserved octet at the end", in_udp(4789, &[8, 0, 0, 0, 0, 1, 2, 1], &inner_frame())),
        ("VXLAN on another port", in_udp(4788, &VXLAN, &inner_frame())),
        ("VXLAN with ARP", in_udp(4789, &VXLAN, &ethernet(0x0806, &[0; 28]))),
        ("VXLAN with IPv4 of another version", in_udp(4789, &VXLAN, &ethernet(0x0800, &inner6()))),
        ("VXLAN-GPE of another version", in_udp(4790, &[0x1c, 0, 0, 1, 0, 1, 2, 0], &inner4())),
        ("VXLAN-GPE, unknown protocol", in_udp(4790, &[0xc, 0, 0, 9, 0, 1, 2, 0], &inner4())),
        ("Geneve of another version", in_udp(6081, &[0x40, 0, 8, 0, 0, 1, 2, 0], &inner4())),
        ("Geneve, reserved", in_udp(6081, &[0, 0, 8, 0, 0, 1, 2, 1], &inner4())),
        ("GTP-U echo", in_udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0], &[])),
        ("GTP-U of version 2", in_udp(2152, &[0x50, 0xff, 0, 32, 0, 0, 0, 9], &inner4())),
        ("GTP-U, length beyond the datagram", in_udp(2152, &[0x30, 0xff, 0, 33, 0, 0, 0, 9], &inner4())),
        (
            "GTP-U, extension header of no length",
            in_udp(2152, &[0x34, 0xff, 0, 40, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0], &inner4()),
        ),
        ("Teredo with a rest", in_udp(3544, &[], &[&inner6()[..], b"more"].concat())),
        ("GRE, routing", in_gre(&[0x40, 0, 8, 0, 0, 0, 0, 0], &inner4())),
        ("GRE of version 2", in_gre(&[0, 2, 8, 0], &inner4())),
        ("GRE, keepalive", in_gre(&[0, 0, 0, 0], &[])),
        ("PPTP, acknowledgement alone", in_gre(&[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 77, 0, 0, 0, 6], &[])),
        ("L2TP, control", l2tp(&[0xc8, 2, 0, 12, 0, 7, 0, 0, 0, 0, 0, 0], &[])),
        ("L2TP, reserved", l2tp(&[0x10, 2, 0, 7, 0, 9], &[&[0xff, 3, 0, 0x21][..], &inner4()].concat())),
        ("L2TP, length", l2tp(&[0x40, 2, 0, 99, 0, 7, 0, 9], &[&[0xff, 3, 0, 0x21][..], &inner4()].concat())),
        ("L2TP 3, control", ipv4(OUTER, 115, &[&[0, 0, 0, 0][..], &ethernet(0x0800, &inner4_right())].concat())),
        ("L2TP 3, checksum", ipv4(OUTER, 115, &[&[0, 0, 0, 1][..], &inner_frame()].concat())),
        ("L2TP 3 with ARP", ipv4(OUTER, 115, &[&[0, 0, 0, 1][..], &ethernet(0x0806, &[0; 28])].concat())),
        ("CAPWAP, encrypted", in_udp(5247, &[1, 0, 0, 0, 22, 1, 0, 0], &inner_frame())),
        ("CAPWAP, keep-alive", in_udp(5247, &[0, 0x10, 2, 8, 0, 0, 0, 0], &inner_frame())),
        ("CAPWAP, fragment", in_udp(5247, &[0, 0x10, 2, 0x80, 0, 0, 0, 0], &inner_frame())),
        ("CAPWAP, short header", in_udp(5247, &[0, 8, 2, 0, 0, 0, 0, 0], &inner_frame())),
        ("CAPWAP with a beacon", in_udp(5247, &[0, 0x10, 3, 0, 0, 0, 0, 0], &[&[0x80, 0][..], &[0; 60]].concat())),
        ("PIM null register", ipv4(OUTER, 103, &[&[0x21, 0, 9, 9, 0x40, 0, 0, 0][..], &inner4()].concat())),
    ];
    for (name, packet) in plain {
        let (outer, tunnel) = decode(&packet).unwrap();
        assert!(is_between(&outer, OUTER) && tunnel.is_none(), "{name}: {outer:?}");
        assert_eq!(outer.octets as usize, packet.len(), "{name}");
    }
}

/// Wraps a packet in another one.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// Nested packets; the innermost has the addresses `INNER`.
fn nested(levels: usize, wrap: Wrap) -> Vec<u8> {
    (0..levels).fold(inner4(), |inner, _| wrap(&inner))
}

#[test]
fn four_levels_are_opened_and_no_more() {
    let wraps: [Wrap; 3] = [
        |inner| in_udp(4789, &VXLAN, &ethernet(0x0800, inner)),
        |inner| in_gre(&[0, 0, 8, 0], inner),
        |inner| ipv4(OUTER, 4, inner),
    ];
    for wrap in wraps {
        let (inner, _) = decode(&nested(4, wrap)).unwrap();
        assert!(is_inner(&inner), "{inner:?}");
        for levels in [5, 6, 40] {
            let (deep, tunnel) = decode(&nested(levels, wrap)).unwrap();
            assert!(is_between(&deep, OUTER) && tunnel.is_some(), "{levels}: {deep:?}");
            assert_eq!(deep.octets as usize, nested(levels - 4, wrap).len(), "the packet inside of the fourth tunnel");
        }
    }
}

#[test]
fn the_innermost_tunnel_is_the_packets() {
    let gre = in_gre(&[0x20, 0, 8, 0, 0, 0, 0, 6], &inner4());
    let (inner, tunnel) = decode(&in_udp(4789, &VXLAN, &ethernet(0x0800, &gre))).unwrap();
    let outer = Packet::new(1, 0, (OUTER[0].into(), 0), (OUTER[1].into(), 0));
    assert!(is_inner(&inner));
    assert_eq!(tunnel, Some(PacketTunnel::around(&outer, TunnelKind::Gre, Some(6))));
}

/// The ports that are checked are those of the inner packet, not of the outer one.
#[test]
fn inside_of_a_tunnel_recognition_is_as_strict() {
    let lookalike = |port: u16| ipv4(INNER, Protocol::UDP, &udp(port, &inner6()));
    for port in [53, 3545, 4789, 6081, 2152] {
        let (inner, tunnel) = decode(&in_udp(4789, &VXLAN, &ethernet(0x0800, &lookalike(port)))).unwrap();
        assert_eq!((inner.destination_port, tunnel.is_some()), (port, true));
        let [first, _] = fragments(&in_udp(4789, &VXLAN, &ethernet(0x0800, &lookalike(port))), 64);
        assert_eq!(decode(&first).unwrap().0.destination_port, port);
    }
}

/// Headers between the frame and the IP header that are not tunnels.
#[test]
fn shims_are_taken_off() {
    let ppp = [&[0x11, 0, 0, 7, 0, 34, 0, 0x21][..], &inner4()].concat();
    let frames = [
        ("PPPoE", ethernet(0x8864, &ppp)),
        ("FabricPath", [&[0; 12][..], &[0x89, 3, 1, 0x40], &inner_frame()].concat()),
        ("Cisco metadata", ethernet(0x8909, &[&[1, 1, 0, 1, 0, 9, 8, 0][..], &inner4()].concat())),
        ("Authentication Header", framed(&ipv4(INNER, 51, &[&[17, 4, 0, 0][..], &[1; 20], &inner4()[20..]].concat()))),
        (
            "Authentication Header in IPv6",
            framed(&ipv6(INNER, 51, &[&[17, 4, 0, 0][..], &[1; 20], &inner4()[20..]].concat())),
        ),
    ];
    for (name, frame) in frames {
        let (packet, tunnel) = decode_as(DecodeRules::default(), &frame, frame.len()).unwrap();
        assert!(is_inner(&packet) && tunnel.is_none(), "{name}: {packet:?}");
        assert_eq!((packet.protocol, packet.source_port, packet.destination_port), (Protocol::UDP, 7, 9), "{name}");
        for length in 0..frame.len() {
            let _ = decode_as(DecodeRules::default(), &frame[..length], length);
            let _ = decode_as(DecodeRules::default(), &frame[..length], frame.len());
        }
    }
    let discards = [
        (ethernet(0x8864, &[0x11, 0, 0, 7, 0, 4, 0xc0, 0x21, 1, 1]), Discard::Pppoe),
        (ethernet(0x8864, &[0x11, 9, 0, 7, 0, 4, 0, 0x21, 1, 1]), Discard::Pppoe),
        (ethernet(0x8864, &[0x11, 0, 0]), Discard::TruncatedLink),
        (ethernet(0x8909, &[2, 1, 0, 1, 0, 9, 8, 0]), Discard::NonIp(0x8909)),
        (ethernet(0x8903, &[0, 0, 1]), Discard::TruncatedLink),
    ];
    for (frame, reason) in discards {
        assert_eq!(decode_as(DecodeRules::default(), &frame, frame.len()), Err(reason));
    }
}

#[test]
fn ppp_links() {
    let decode = |number: u32, data: &[u8]| {
        let frame = Frame { time_ns: 1, wire_octets: data.len() as u32, interface: 0, data };
        Decoder::default().decode(LinkType::from(number), &frame)
    };
    for number in [9, 50] {
        for header in [&[0xff, 3, 0, 0x21][..], &[0, 0x21], &[0x21], &[0xff, 3, 0x21]] {
            assert!(is_inner(&decode(number, &[header, &inner4()].concat()).unwrap()), "{header:?}");
        }
        assert_eq!(decode(number, &[0xff, 3, 0xc0, 0x21, 1, 1]), Err(Discard::Ppp(0xc021)));
        assert_eq!(decode(number, &[0xff, 3, 0]), Err(Discard::TruncatedLink));
    }
}

/// Splits a packet into two fragments, the first with `first_octets` bytes of payload.
fn fragments(packet: &[u8], first_octets: usize) -> [Vec<u8>; 2] {
    let (header, payload) = packet.split_at(20);
    let piece = |part: &[u8], flags_and_offset: u16| {
        let mut piece = [header, part].concat();
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        piece[2..4].copy_from_slice(&length);
        piece[6..8].copy_from_slice(&flags_and_offset.to_be_bytes());
        piece
    };
    let offset = u16::try_from(first_octets / 8).unwrap();
    [piece(&payload[..first_octets], 0x2000), piece(&payload[first_octets..], offset)]
}

fn large_inner() -> Vec<u8> {
    ipv4(INNER, Protocol::UDP, &[&[0, 7, 0, 9, 0, 208, 0, 0][..], &[1; 200]].concat())
}

#[test]
fn fragments_of_a_tunnels_packet_go_to_the_flow_inside() {
    let whole = [
        in_udp(4789, &VXLAN, &ethernet(0x0800, &large_inner())),
        in_gre(&[0, 0, 8, 0], &large_inner()),
        ipv4(OUTER, 4, &large_inner()),
        in_udp(2152, &[0x30, 0xff, 0, 228, 0, 0, 0, 9], &large_inner()),
        ipv4(OUTER, 4, &in_gre(&[0, 0, 8, 0], &large_inner())),
    ];
    for packet in whole {
        let [first, later] = fragments(&packet, 120).map(|piece| framed(&piece));
        let mut decoder = Decoder::default();
        let mut decode = |data: &[u8], time_ns| {
            let frame = Frame { time_ns, wire_octets: data.len() as u32, interface: 0, data };
            let packet = decoder.decode(LinkType::Ethernet, &frame).unwrap();
            (packet, decoder.take_tunnels())
        };
        let (first, tunnel) = decode(&first, 1);
        let (later_packet, later_tunnel) = decode(&later, 2);
        for packet in [&first, &later_packet] {
            assert!(is_inner(packet), "{packet:?}");
            assert_eq!((packet.source_port, packet.destination_port, packet.fragment), (7, 9, Fragment::Whole));
        }
        assert_eq!((&tunnel, tunnel.len()), (&later_tunnel, 1));
        assert_eq!(first.octets + later_packet.octets, large_inner().len() as u32);
        assert_eq!((later_packet.frame_octets, later_packet.time_ns), (later.len() as u32, 2));
        let (unknown, tunnel) = decode(&later, 40_000_000_000);
        assert!(is_between(&unknown, OUTER) && tunnel.is_empty(), "the first one was too long ago");
        let separate = DecodeRules { fragments: Fragments::Separate, ..DecodeRules::default() };
        assert_eq!(decode_as(separate, &later, later.len()), Err(Discard::LaterFragment));
    }
}

/// Fragments inside a tunnel get the ports of the first one in the same tunnel.
#[test]
fn fragments_inside_of_two_tunnels_are_not_mixed() {
    let in_vni = |vni: u8, inner: &[u8]| framed(&in_udp(4789, &[8, 0, 0, 0, 0, 0, vni, 0], &ethernet(0x0800, inner)));
    let [first, later] = fragments(&large_inner(), 120);
    let mut decoder = Decoder::default();
    let mut decode = |data: &[u8]| {
        let frame = Frame { time_ns: 1, wire_octets: data.len() as u32, interface: 0, data };
        decoder.decode(LinkType::Ethernet, &frame).unwrap()
    };
    assert_eq!(decode(&in_vni(1, &first)).source_port, 7);
    let (same, other) = (decode(&in_vni(1, &later)), decode(&in_vni(2, &later)));
    assert_eq!((same.source_port, other.source_port), (7, 0));
    assert_eq!((same.fragment, other.fragment), (Fragment::Later, Fragment::Later));
    assert!(is_inner(&same) && is_inner(&other) && same.tunnel != other.tunnel);
}

#[test]
fn numbers_of_tunnels_are_those_of_one_batch() {
    let frame = |vni: u8| framed(&in_udp(4789, &[8, 0, 0, 0, 0, 0, vni, 0], &inner_frame()));
    let mut decoder = Decoder::default();
    let mut number = |vni: u8, take: bool| {
        if take {
            drop(decoder.take_tunnels());
        }
        let data = frame(vni);
        let frame = Frame { time_ns: 1, wire_octets: data.len() as u32, interface: 0, data: &data };
        decoder.decode(LinkType::Ethernet, &frame).unwrap().tunnel
    };
    let numbers = [(1, false), (2, false), (1, false), (2, false), (3, false), (3, true), (1, false)];
    assert_eq!(numbers.map(|(vni, take)| number(vni, take)), [1, 2, 1, 2, 3, 1, 2]);
}
