//! CAPWAP's data channel (RFC 5415 section 4.3), by which access points send the frames of their stations to a controller.

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside};
use crate::decode::Rest;

/// Bytes of the header without optional members.
const HEADER: usize = 8;
/// The native frame format of the binding follows, not that of IEEE 802.3.
const IS_NATIVE: u8 = 0x01;
const IS_FRAGMENT: u8 = 0x80;
const IS_KEEP_ALIVE: u8 = 0x08;
const RESERVED: u8 = 0x07;
/// The binding of IEEE 802.11.
const WLAN: u8 = 1;

/// Version and type 0, length of the header in units of four bytes (5 bits), radio (5), binding (5), flags (9), fragment's number, offset
/// and reserved bits. Fragments are not opened.
pub(super) fn find(rest: Rest<'_>) -> Option<Found<'_>> {
    let [0, length, binding, flags, _, _, _, _] = *rest.front::<HEADER>()? else { return None };
    let octets = 4 * usize::from(length >> 3);
    let inner = rest.after(octets);
    if octets < HEADER || flags & (IS_FRAGMENT | IS_KEEP_ALIVE | RESERVED) != 0 {
        return None;
    }
    let inside = match (binding & IS_NATIVE != 0, binding >> 1 & 0x1f) {
        (false, _) => Inside::ETHERNET,
        (true, WLAN) => Inside::Wlan,
        (true, _) => return None,
    };
    Some(Found { kind: TunnelKind::Capwap, id: None, inside, rest: inner })
}
