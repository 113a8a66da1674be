//! GRE (RFC 2784, 2890), and what uses it: NVGRE (RFC 7637), PPTP (RFC 2637), ERSPAN.

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, Payload, erspan, ether_type};
use crate::decode::Rest;

const HEADER: usize = 4;
const CHECKSUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// An acknowledgement number, in version 1.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;
/// `PPP` as an EtherType.
const PPP: u16 = 0x880b;
/// Virtual subnet ids that a tenant may have (RFC 7637 section 3.3).
const VIRTUAL_SUBNETS: std::ops::RangeInclusive<u32> = 0x1000..=0xff_fffe;

/// Flags and version, EtherType, then checksum, key and sequence number if their flags are set.
pub(super) fn find(payload: Payload<'_>) -> Option<Found<'_>> {
    let rest = payload.rest;
    let flags = rest.be16(0)?;
    let ether_type = rest.be16(2)?;
    match flags & VERSION {
        0 if flags & !(CHECKSUM | KEY | SEQUENCE) == 0 => version_0(flags, ether_type, rest),
        1 if ether_type == PPP => pptp(flags, payload),
        _ => None,
    }
}

fn version_0(flags: u16, ether_type: u16, rest: Rest<'_>) -> Option<Found<'_>> {
    let octets = |flag: u16| if flags & flag == 0 { 0 } else { 4 };
    let key = if flags & KEY == 0 { None } else { Some(number(rest.after(HEADER + octets(CHECKSUM)))?) };
    let inner = rest.after(HEADER + octets(CHECKSUM) + octets(KEY) + octets(SEQUENCE));
    match ether_type {
        erspan::TYPE_2 => erspan::type_1_or_2(flags & SEQUENCE != 0, inner),
        erspan::TYPE_3 => erspan::type_3(inner),
        PPP => Some(Found { kind: TunnelKind::Gre, id: key, inside: Inside::Ppp, rest: inner }),
        _ => {
            let (kind, id) = segment(flags, ether_type, key);
            Some(Found { kind, id, inside: Inside::EtherType(ether_type), rest: inner })
        }
    }
}

/// NVGRE has a key and no other option. The upper three bytes of the key are the virtual subnet; the last one
/// distinguishes flows.
fn segment(flags: u16, ether_type: u16, key: Option<u32>) -> (TunnelKind, Option<u32>) {
    let subnet = key.map(|key| key >> 8).filter(|subnet| VIRTUAL_SUBNETS.contains(subnet));
    match subnet {
        Some(_) if flags == KEY && ether_type == ether_type::ETHERNET => (TunnelKind::Nvgre, subnet),
        _ => (TunnelKind::Gre, key),
    }
}

/// The key consists of the payload length and the receiver's call id.
fn pptp(flags: u16, payload: Payload<'_>) -> Option<Found<'_>> {
    if flags & !(SEQUENCE | ACKNOWLEDGEMENT | VERSION) != KEY {
        return None;
    }
    let (length, call) = (payload.rest.be16(HEADER)?, payload.rest.be16(HEADER + 2)?);
    let octets = |flag: u16| if flags & flag == 0 { 0 } else { 4 };
    let content = payload.after(HEADER + 4 + octets(SEQUENCE) + octets(ACKNOWLEDGEMENT));
    (length > 0 && content.may_hold(length.into())).then_some(Found {
        kind: TunnelKind::Pptp,
        id: Some(u32::from(call)),
        inside: Inside::Ppp,
        rest: content.rest,
    })
}

fn number(rest: Rest<'_>) -> Option<u32> {
    rest.front().copied().map(u32::from_be_bytes)
}
