//! L2TP: version 2 (RFC 2661) with PPP in UDP, version 3 (RFC 3931) with Ethernet or PPP in UDP or directly in IP.

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, Payload};
use crate::decode::ip::checked_octets;
use crate::decode::link::ether_type;

/// Flags of the header. Control messages have a further one (0x8000), and no user's packet.
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;
const VERSION: u16 = 0x000f;
/// Where the packet may begin behind a session's number: the ends agree on a cookie of up to 8 bytes and on a sublayer of 4.
const STARTS: [usize; 4] = [0, 4, 8, 12];
const ADDRESSES: usize = 12;
/// The shortest frame of Ethernet without its checksum, to which shorter ones are filled up.
const MIN_FRAME: u32 = 60;

/// In UDP.
pub(super) fn in_udp(payload: Payload<'_>) -> Option<Found<'_>> {
    let flags = payload.rest.be16(0)?;
    match flags & VERSION {
        2 => version_2(flags, payload),
        3 if flags == 3 && payload.rest.be16(2)? == 0 => in_ip(payload.after(4)),
        _ => None,
    }
}

/// Flags and version, length of the message, tunnel, session, sequence numbers, length of a filling, of which only tunnel and session are
/// always there.
fn version_2(flags: u16, payload: Payload<'_>) -> Option<Found<'_>> {
    if flags & !(LENGTH | SEQUENCE | OFFSET | PRIORITY | VERSION) != 0 {
        return None;
    }
    let mut rest = payload.rest.after(2);
    if flags & LENGTH != 0 {
        let is_right = u32::from(rest.be16(0)?) == payload.rest.on_the_wire() || payload.goes_on;
        rest = is_right.then(|| rest.after(2))?;
    }
    let id = u32::from(rest.be16(0)?) << 16 | u32::from(rest.be16(2)?);
    rest = rest.after(if flags & SEQUENCE == 0 { 4 } else { 8 });
    if flags & OFFSET != 0 {
        rest = rest.after(2 + usize::from(rest.be16(0)?));
    }
    Some(Found { kind: TunnelKind::L2tp, id: Some(id), inside: Inside::Ppp, rest })
}

/// The number of a session, which is not 0, and what the ends agreed on. That is not in the packet: the packet inside begins where an IP
/// packet of the right length does.
pub(super) fn in_ip(payload: Payload<'_>) -> Option<Found<'_>> {
    let session = payload.rest.front().copied().map(u32::from_be_bytes).filter(|session| *session != 0)?;
    STARTS.into_iter().map(|start| payload.after(4 + start)).find_map(|inner| {
        let inside = if has_frame(inner) { Inside::ETHERNET } else { has_ppp(inner).then_some(Inside::Ppp)? };
        Some(Found { kind: TunnelKind::L2tp, id: Some(session), inside, rest: inner.rest })
    })
}

/// Whether a frame of Ethernet with a whole IP packet begins here.
fn has_frame(frame: Payload<'_>) -> bool {
    let mut inner = frame.after(ADDRESSES);
    while let Some(ether_type::VLAN | ether_type::PROVIDER_VLAN) = inner.rest.be16(0) {
        inner = inner.after(4);
    }
    let is_ip = matches!(inner.rest.be16(0), Some(ether_type::IPV4 | ether_type::IPV6));
    is_ip && is_all(inner.after(2), frame.rest.on_the_wire() <= MIN_FRAME)
}

/// Whether a frame of PPP with a whole IP packet begins here.
fn has_ppp(frame: Payload<'_>) -> bool {
    matches!(frame.rest.front(), Some([0xff, 3, 0, 0x21 | 0x57])) && is_all(frame.after(4), false)
}

/// Whether the IP packet here is all that is left, or `is_filled` up.
fn is_all(inner: Payload<'_>, is_filled: bool) -> bool {
    let there = inner.rest.on_the_wire();
    checked_octets(inner.rest)
        .is_some_and(|octets| octets == there || (is_filled && octets < there) || (inner.goes_on && octets > there))
}
