//! PIM Register messages (RFC 7761 section 4.9.3).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside};
use crate::decode::Rest;

const HEADER: usize = 8;
/// Version 2, type 1.
const REGISTER: u8 = 0x21;
/// Null-Register flag: only a header is inside, to probe the receiver.
const NULL: u8 = 0x40;

/// Version and type, reserved, checksum, flags.
pub(super) fn find(rest: Rest<'_>) -> Option<Found<'_>> {
    match rest.front::<HEADER>()? {
        [REGISTER, _, _, _, flags, 0, 0, 0] if flags & NULL == 0 && flags & 0x3f == 0 => {
            Some(Found { kind: TunnelKind::PimRegister, id: None, inside: Inside::Ip, rest: rest.after(HEADER) })
        }
        _ => None,
    }
}
