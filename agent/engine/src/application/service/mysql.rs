//! MySQL's and MariaDB's protocol: packets with a length of three bytes, little-endian, and a number.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{ServiceMessage, is_all, sql};

const HEADER: usize = 4;
/// The protocol's version in the server's greeting.
const VERSION: u8 = 10;
/// Commands of a client that contain SQL.
const QUERY: u8 = 3;
const PREPARE: u8 = 22;

/// Whether the payload is one packet with number 0, by its length: a greeting or a command.
#[inline]
pub(super) fn fits(data: &[u8]) -> bool {
    matches!(*data, [l0, l1, l2, 0, VERSION | QUERY | PREPARE, ..] if octets([l0, l1, l2]) == data.len())
}

/// Bytes of a packet with that length in its header.
const fn octets([l0, l1, l2]: [u8; 3]) -> usize {
    u32::from_le_bytes([l0, l1, l2, 0]) as usize + HEADER
}

/// Reads a greeting or a command. A command proves something only by a verb of SQL.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let [l0, l1, l2, 0, first, body @ ..] = data else { return None };
    if !is_all(octets([*l0, *l1, *l2]), data) {
        return None;
    }
    match *first {
        VERSION if is_greeting(body) => Some(ServiceMessage::of(Kind::MySql, None)),
        QUERY | PREPARE => Some(ServiceMessage::of(Kind::MySql, Some(sql::verb(body)?))),
        _ => None,
    }
}

/// The server's version, a zero, the connection's number (4 bytes), 8 bytes of a challenge, and a zero.
fn is_greeting(body: &[u8]) -> bool {
    let Some(end) = body.iter().take(64).position(|byte| *byte == 0) else { return false };
    let (version, rest) = body.split_at(end);
    matches!(version, [b'3'..=b'9' | b'1', b'.' | b'0'..=b'9', ..])
        && version.iter().all(u8::is_ascii_graphic)
        && rest.get(13) == Some(&0)
}
