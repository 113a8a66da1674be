//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use etherparse::{Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice};

use super::{Discard, Excess, Rest, Target, transport};
use crate::packet::{Family, Fragment, Marks, Packet};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
/// Authentication Header (RFC 4302), which does not encrypt what follows.
pub(super) const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// Decodes an IP packet whose version is in its first four bits.
pub(super) fn by_version<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    match rest.data.first().ok_or(Discard::TruncatedIp)? >> 4 {
        4 => ipv4(rest, out),
        6 => ipv6(rest, out),
        _ => Err(Discard::MalformedIp),
    }
}

/// Fills `out` from an IPv4 header and what follows.
#[inline]
pub(super) fn ipv4<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let header = Ipv4HeaderSlice::from_slice(rest.data).map_err(|e| header_fault(&e))?;
    let header_octets = header.slice().len();
    let octets = ipv4_octets(&header, rest.on_the_wire(), out)?;
    let packet = out.packet();
    packet.octets = octets;
    packet.family = Family::V4;
    packet.source_bits = u32::from_be_bytes(header.source()).into();
    packet.destination_bits = u32::from_be_bytes(header.destination()).into();
    packet.protocol = header.protocol().0;
    packet.tos = (header.dcp().value() << 2) | header.ecn().value();
    packet.ttl = header.ttl();
    if header.is_fragmenting_payload() {
        packet.fragment = kind(header.fragments_offset().value());
        packet.fragment_id = header.identification().into();
        packet.marks = packet.marks.with(Marks::MORE_FRAGMENTS, header.more_fragments());
    }
    let behind = rest.within(header_octets, octets);
    transport::decode(behind, octets.saturating_sub(header_octets as u32), packet);
    out.behind(rest, behind, octets);
    Ok(())
}

/// Bytes of the IP packet that begins here, if its header is right as far as it can be checked alone.
pub(super) fn checked_octets(rest: Rest<'_>) -> Option<u32> {
    match rest.data.first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(rest.data).ok()?;
            let is_right = header.to_header().calc_header_checksum() == header.header_checksum();
            is_right.then(|| u32::from(header.total_len()))
        }
        6 => rest.be16(4).map(|payload| u32::from(payload) + Ipv6Header::LEN as u32),
        _ => None,
    }
}

/// Bytes of the whole datagram. Total length 0 means more than 65,535 (Linux BIG TCP), or an offloaded segment whose
/// header is not filled in yet: then the frame's length counts.
#[inline]
fn ipv4_octets<'a>(header: &Ipv4HeaderSlice<'_>, on_the_wire: u32, out: &mut impl Target<'a>) -> Result<u32, Discard> {
    let total = header.total_len();
    match u32::from(total) {
        0 => Ok(on_the_wire),
        _ if usize::from(total) < header.slice().len() => Err(Discard::MalformedIp),
        octets if octets > on_the_wire => beyond_frame(on_the_wire, out),
        octets => Ok(octets),
    }
}

/// Bytes of a datagram that is longer by its header than the rest of the frame: what is there.
#[cold]
#[inline(never)]
fn beyond_frame<'a>(on_the_wire: u32, out: &mut impl Target<'a>) -> Result<u32, Discard> {
    match out.excess() {
        Excess::InLaterFragments => {}
        Excess::Refuted => return Err(Discard::MalformedIp),
        Excess::Marked => {
            let packet = out.packet();
            packet.marks = packet.marks.with(Marks::BEYOND_FRAME, true);
        }
    }
    Ok(on_the_wire)
}

#[cold]
fn header_fault(error: &etherparse::err::ipv4::HeaderSliceError) -> Discard {
    match error {
        etherparse::err::ipv4::HeaderSliceError::Len(_) => Discard::TruncatedIp,
        etherparse::err::ipv4::HeaderSliceError::Content(_) => Discard::MalformedIp,
    }
}

/// Fills `out` from an IPv6 header and what follows.
#[inline]
pub(super) fn ipv6<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let header = Ipv6HeaderSlice::from_slice(rest.data).map_err(|e| match e {
        etherparse::err::ipv6::HeaderSliceError::Len(_) => Discard::TruncatedIp,
        etherparse::err::ipv6::HeaderSliceError::Content(_) => Discard::MalformedIp,
    })?;
    let octets = ipv6_octets(&header, rest.on_the_wire(), out)?;
    let packet = out.packet();
    packet.octets = octets;
    packet.family = Family::V6;
    packet.source_bits = u128::from_be_bytes(header.source());
    packet.destination_bits = u128::from_be_bytes(header.destination());
    packet.tos = header.traffic_class();
    packet.ttl = header.hop_limit();
    let all = rest.within(Ipv6Header::LEN, octets);
    let is_cut = rest.data.len() < octets as usize;
    let behind = match extensions(header.next_header().0, all, packet) {
        Ok([]) if !is_cut && packet.fragment == Fragment::First => return Err(Discard::HeaderChainIncomplete),
        Err(Discard::TruncatedExtension) if !is_cut && packet.fragment == Fragment::First => {
            return Err(Discard::HeaderChainIncomplete);
        }
        behind => behind?,
    };
    let header_octets = Ipv6Header::LEN + all.len() - behind.len();
    transport::decode(behind, octets.saturating_sub(header_octets as u32), packet);
    out.behind(rest, behind, octets);
    Ok(())
}

/// Bytes of the whole datagram. Payload length 0 means a jumbogram (RFC 2675), Linux BIG TCP, or an offloaded segment:
/// then the frame's length counts, unless there is no next header.
#[inline]
fn ipv6_octets<'a>(header: &Ipv6HeaderSlice<'_>, on_the_wire: u32, out: &mut impl Target<'a>) -> Result<u32, Discard> {
    const HEADER: u32 = Ipv6Header::LEN as u32;
    match u32::from(header.payload_length()) {
        0 if header.next_header().0 == NO_NEXT_HEADER => Ok(HEADER),
        0 => Ok(on_the_wire),
        octets if octets + HEADER > on_the_wire => beyond_frame(on_the_wire, out),
        octets => Ok(octets + HEADER),
    }
}

/// Skips the extension headers. Returns the data from the transport header on.
fn extensions<'a>(mut next: u8, mut data: &'a [u8], packet: &mut Packet) -> Result<&'a [u8], Discard> {
    loop {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6 => {
                let [following, units, ..] = data else { return Err(Discard::TruncatedExtension) };
                next = *following;
                data = data.get(8 * (usize::from(*units) + 1)..).ok_or(Discard::TruncatedExtension)?;
            }
            FRAGMENT => {
                (next, data) = fragment_header(data, packet)?;
                if packet.fragment == Fragment::Later {
                    break;
                }
            }
            AUTHENTICATION => (next, data) = authentication(data).ok_or(Discard::TruncatedExtension)?,
            _ => break,
        }
    }
    packet.protocol = next;
    Ok(data)
}

/// RFC 4302 section 2.2: the length is in units of four bytes, minus two. Returns the next protocol and its data.
pub(super) fn authentication(data: &[u8]) -> Option<(u8, &[u8])> {
    let [following, units, ..] = data else { return None };
    Some((*following, data.get(4 * (usize::from(*units) + 2)..)?))
}

/// RFC 8200 section 4.5. A header with offset 0 and no more fragments is an atomic fragment (RFC 6946).
fn fragment_header<'a>(data: &'a [u8], packet: &mut Packet) -> Result<(u8, &'a [u8]), Discard> {
    let (header, rest) = data.split_first_chunk::<8>().ok_or(Discard::TruncatedExtension)?;
    let [next, _, offset_high, offset_low, id @ ..] = header;
    let offset_and_more = u16::from_be_bytes([*offset_high, *offset_low]);
    if offset_and_more & 0xfff9 != 0 {
        packet.fragment = kind(offset_and_more >> 3);
        packet.fragment_id = u32::from_be_bytes(*id);
        packet.marks = packet.marks.with(Marks::MORE_FRAGMENTS, offset_and_more & 1 != 0);
    }
    Ok((*next, rest))
}

const fn kind(offset: u16) -> Fragment {
    if offset == 0 { Fragment::First } else { Fragment::Later }
}
