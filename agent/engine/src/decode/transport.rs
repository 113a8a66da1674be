//! Transport headers: ports, TCP flags, ICMP type, code and identifier.

use pidflow_schema::record::Protocol;

use crate::packet::{Fragment, Marks, Packet};

const DCCP: u8 = 33;
const UDP_LITE: u8 = 136;

/// Fills the transport members of `packet`. `data` is the captured data from the transport header on, of which the
/// datagram has `octets` bytes.
///
/// If the capture cut the header before the ports, or the datagram is too short for it, the ports are 0: the packet
/// still belongs to a flow of its addresses. A first fragment always has its ports: it carries at least eight bytes,
/// and the rest of the header may be in the next fragment.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each packet, from two copies of the IP decoder")]
pub(super) fn decode(data: &[u8], octets: u32, packet: &mut Packet) {
    if packet.fragment == Fragment::Later {
        return;
    }
    let octets = if packet.fragment == Fragment::First { u32::MAX } else { octets };
    match packet.protocol {
        Protocol::TCP if octets >= 20 => tcp(data, packet),
        Protocol::UDP | UDP_LITE if octets >= 8 => ports(data, packet),
        Protocol::SCTP | DCCP if octets >= 12 => ports(data, packet),
        Protocol::ICMP => icmp(data, packet, v4_has_identifier),
        Protocol::ICMPV6 => icmp(data, packet, v6_has_identifier),
        _ => {}
    }
}

/// The ports are the first two numbers of TCP, UDP, SCTP, DCCP and UDP-Lite.
#[inline]
fn ports(data: &[u8], packet: &mut Packet) {
    if let Some([s0, s1, d0, d1]) = data.first_chunk() {
        packet.source_port = u16::from_be_bytes([*s0, *s1]);
        packet.destination_port = u16::from_be_bytes([*d0, *d1]);
    }
}

/// RFC 9293 section 3.1: ports, sequence number, acknowledgement number, data offset, flags.
#[inline]
fn tcp(data: &[u8], packet: &mut Packet) {
    ports(data, packet);
    if let Some([_, _, _, _, sequence @ .., _, _, _, _, _, flags]) = data.first_chunk::<14>() {
        packet.tcp_sequence = u32::from_be_bytes(*sequence);
        packet.tcp_flags = *flags;
    }
}

/// RFC 792 and RFC 4443: type, code, checksum, and for queries the identifier.
fn icmp(data: &[u8], packet: &mut Packet, has_identifier: fn(u8) -> bool) {
    let Some([icmp_type, code]) = data.first_chunk() else { return };
    packet.icmp = u16::from_be_bytes([*icmp_type, *code]);
    packet.marks = packet.marks.with(Marks::ICMP, true);
    if has_identifier(*icmp_type)
        && let Some([_, _, _, _, high, low]) = data.first_chunk()
    {
        let identifier = u16::from_be_bytes([*high, *low]);
        packet.source_port = identifier;
        packet.destination_port = identifier;
    }
}

/// Echo (RFC 792), timestamp, information, address mask (RFC 950), extended echo (RFC 8335).
const fn v4_has_identifier(icmp_type: u8) -> bool {
    matches!(icmp_type, 0 | 8 | 13..=18 | 42 | 43)
}

/// Echo (RFC 4443), extended echo (RFC 8335).
const fn v6_has_identifier(icmp_type: u8) -> bool {
    matches!(icmp_type, 128 | 129 | 160 | 161)
}
