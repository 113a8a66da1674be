//! ERSPAN: frames that a switch mirrors (draft-foschiano-erspan).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside};
use crate::decode::Rest;

/// EtherTypes in the GRE header.
pub(super) const TYPE_2: u16 = 0x88be;
pub(super) const TYPE_3: u16 = 0x22eb;

const HEADER_2: usize = 8;
const HEADER_3: usize = 12;
/// A header of the switch's platform, which may follow that of type 3.
const PLATFORM_HEADER: usize = 8;
const HAS_PLATFORM_HEADER: u16 = 0x0001;

/// Type 1 has no header, and no sequence number in the GRE header.
pub(super) fn type_1_or_2(has_sequence: bool, rest: Rest<'_>) -> Option<Found<'_>> {
    if !has_sequence {
        return Some(Found { kind: TunnelKind::Erspan, id: None, inside: Inside::ETHERNET, rest });
    }
    let id = Some(session(1, rest)?);
    Some(Found { kind: TunnelKind::Erspan, id, inside: Inside::ETHERNET, rest: rest.after(HEADER_2) })
}

/// The last two bytes: whether it is a frame, frame type, hardware, direction, unit of time, platform header.
pub(super) fn type_3(rest: Rest<'_>) -> Option<Found<'_>> {
    let id = Some(session(2, rest)?);
    let last = rest.be16(HEADER_3 - 2)?;
    let inside = match last >> 10 & 0x1f {
        0 => Inside::ETHERNET,
        2 => Inside::Ip,
        _ => return None,
    };
    let platform = if last & HAS_PLATFORM_HEADER == 0 { 0 } else { PLATFORM_HEADER };
    Some(Found { kind: TunnelKind::Erspan, id, inside, rest: rest.after(HEADER_3 + platform) })
}

/// The session of a header of this version: version and VLAN, class and session.
fn session(version: u16, rest: Rest<'_>) -> Option<u32> {
    let session = rest.be16(2)? & 0x03ff;
    (rest.be16(0)? >> 12 == version).then_some(u32::from(session))
}
