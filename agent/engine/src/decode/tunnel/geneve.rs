//! Geneve (RFC 8926 section 3.4).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, be24};
use crate::decode::Rest;

const HEADER: usize = 8;
/// Reserved bits beside those for control packets and critical options.
const RESERVED: u8 = 0x3f;

/// Version 0 and length of the options in units of four bytes, flags, EtherType, VNI, reserved.
pub(super) fn find(rest: Rest<'_>) -> Option<Found<'_>> {
    let [version_and_options, flags, type_high, type_low, high, middle, low, 0] = *rest.front::<HEADER>()? else {
        return None;
    };
    if version_and_options >> 6 != 0 || flags & RESERVED != 0 {
        return None;
    }
    let options = 4 * usize::from(version_and_options);
    let inside = Inside::EtherType(u16::from_be_bytes([type_high, type_low]));
    let rest = rest.after(HEADER + options);
    Some(Found { kind: TunnelKind::Geneve, id: Some(be24(high, middle, low)), inside, rest })
}
