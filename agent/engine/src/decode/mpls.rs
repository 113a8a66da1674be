//! MPLS (RFC 3032).

use super::{Discard, Rest, Target, ip};

/// Label stack (RFC 3032 section 2.1): 20 bits label, 3 traffic class, 1 bottom of stack, 8 TTL.
pub(super) fn mpls<'a>(mut rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    loop {
        let label = *rest.data.first_chunk::<4>().ok_or(Discard::TruncatedLink)?;
        rest = rest.after(4);
        if u32::from_be_bytes(label) & 0x100 != 0 {
            break;
        }
    }
    match rest.data.first().map(|octet| octet >> 4) {
        Some(4 | 6) | None => ip::by_version(rest, out),
        Some(_) => Err(Discard::MplsPayload),
    }
}
