//! GTP-U, version 1 (3GPP TS 29.281 section 5).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, Payload};
use crate::decode::Rest;

const HEADER: usize = 8;
/// Bytes of sequence number, N-PDU number and type of the first extension header, which are all present if any is used.
const OPTIONAL: usize = 4;
/// Version 1, protocol type GTP (not GTP'), and the spare bit, which is 0.
const FIXED_MASK: u8 = 0xf8;
const FIXED: u8 = 0x30;
/// Extension header, sequence number, N-PDU number.
const HAS_OPTIONAL: u8 = 0x07;
const HAS_EXTENSION: u8 = 0x04;
/// G-PDU, the only message that carries a user's packet.
const G_PDU: u8 = 0xff;

/// Flags, message type, length of what follows these eight bytes, TEID.
pub(super) fn find(payload: Payload<'_>) -> Option<Found<'_>> {
    let [flags, G_PDU, length_high, length_low, teid @ ..] = *payload.rest.front::<HEADER>()? else { return None };
    let length = u32::from(u16::from_be_bytes([length_high, length_low]));
    let content = payload.after(HEADER);
    if flags & FIXED_MASK != FIXED || !content.may_hold(length) {
        return None;
    }
    let rest = user_packet(flags, content.rest)?;
    Some(Found { kind: TunnelKind::GtpU, id: Some(u32::from_be_bytes(teid)), inside: Inside::Ip, rest })
}

/// The data after the optional members and the extension headers. Each extension header begins with its length in units
/// of four bytes and ends with the type of the next one.
fn user_packet(flags: u8, mut rest: Rest<'_>) -> Option<Rest<'_>> {
    if flags & HAS_OPTIONAL == 0 {
        return Some(rest);
    }
    let [.., mut next] = *rest.front::<OPTIONAL>()?;
    rest = rest.after(OPTIONAL);
    while flags & HAS_EXTENSION != 0 && next != 0 {
        let octets = 4 * usize::from(*rest.data.first()?);
        next = *rest.data.get(..octets)?.last()?;
        rest = rest.after(octets);
    }
    Some(rest)
}
