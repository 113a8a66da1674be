//! Cheap tests on the first bytes of a payload: whether it may begin a message that is worth reading.

use super::{MAX_MESSAGE, http2, service, tls};

/// The longest method of HTTP that is recognised, bytes (`UPDATEREDIRECTREF`, RFC 4437).
const MAX_METHOD: usize = 17;
/// How much of the head of an HTTP request is read, bytes.
const MAX_REQUEST: usize = 8192;
/// How much of an HTTP response is read, bytes: only its first line counts.
const MAX_RESPONSE: usize = 128;
/// How much of a datagram is read, bytes; DNS messages over UDP are hardly longer (RFC 6891 section 6.2.5).
const MAX_DATAGRAM: usize = 4096;

/// Versions of QUIC whose first packets can be read: 1 (RFC 9000), 2 (RFC 9369), and draft 29.
pub(super) const QUIC_VERSIONS: [u32; 3] = [1, 0x6b33_43cf, 0xff00_001d];

/// The number of bytes that the message at the start of a TCP payload needs; none: no known message may begin here.
#[inline]
pub(super) fn tcp(data: &[u8]) -> Option<usize> {
    match data {
        [22, 3, 0..=4, ..] => records(data),
        [21, 3, ..] => tls::behind_warning(data).and_then(|rest| Some(records(rest)? + data.len() - rest.len())),
        // After 101, another protocol follows, which may be HTTP/2.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'1', b'0', b'1', ..] => Some(MAX_REQUEST),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', ..] => Some(data.len().min(MAX_RESPONSE)),
        [b'P', b'R', b'I', b' ', ..] | [0, _, _, 4, 0, 0, 0, 0, 0, ..] => http2(data).or_else(|| service::octets(data)),
        [b'A', b'M', b'Q', b'P', ..] | [b'I', b'N', b'F', b'O', b' ', b'{', ..] => Some(service::head_octets(data)),
        [b'S', b'S', b'H', b'-', b'1' | b'2', b'.', ..] => Some(data.len().min(MAX_RESPONSE)),
        [b'A'..=b'Z', b'A'..=b'Z' | b'-', ..] => request(data),
        [high, low, message @ ..] if usize::from(u16::from_be_bytes([*high, *low])) == message.len() => {
            may_be_dns(message).then_some(data.len().min(MAX_MESSAGE)).or_else(|| service::octets(data))
        }
        _ => service::octets(data),
    }
}

/// RFC 8446 section 5.1: type, version, length, then the handshake's type and length. The message may be longer than the
/// record; then more records follow.
fn records(data: &[u8]) -> Option<usize> {
    let [_, _, _, record_high, record_low, 1 | 2, long, high, low, ..] = data else { return None };
    let record = usize::from(u16::from_be_bytes([*record_high, *record_low]));
    let message = 4 + (usize::from(*long) << 16 | usize::from(*high) << 8 | usize::from(*low));
    let records = message.div_ceil(record.max(1));
    let with_certificate = (data.get(5) == Some(&2)).then(|| tls::octets_of_server(data)).flatten();
    Some(with_certificate.unwrap_or(message + 5 * records)).filter(|need| *need <= MAX_MESSAGE)
}

/// RFC 9112 section 3: a method in capital letters and a blank.
fn request(data: &[u8]) -> Option<usize> {
    let end = data.iter().take(MAX_METHOD + 1).position(|byte| !(byte.is_ascii_uppercase() || *byte == b'-'))?;
    let is_request = end >= 3 && data.get(end) == Some(&b' ');
    is_request.then(|| if has_whole_head(data) { data.len().min(MAX_REQUEST) } else { MAX_REQUEST })
}

/// HTTP/2 from the client's preface or the server's first frame on, up to the first headers.
fn http2(data: &[u8]) -> Option<usize> {
    Some(if http2::is_whole(data)? { data.len().min(MAX_REQUEST) } else { MAX_REQUEST })
}

/// Whether the empty line after a head of HTTP is in these bytes.
pub(super) fn has_whole_head(data: &[u8]) -> bool {
    data.windows(4).take(MAX_REQUEST).any(|window| window == b"\r\n\r\n")
}

/// The number of bytes of a datagram that are worth reading; none: no known message begins here.
#[inline]
pub(super) fn udp(data: &[u8]) -> Option<usize> {
    (is_quic_initial(data) || may_be_dns(data)).then(|| data.len().min(MAX_DATAGRAM))
}

/// RFC 9000 section 17.2: long header, fixed bit, a known version.
pub(super) fn is_quic_initial(data: &[u8]) -> bool {
    let [first, version @ ..] = data else { return false };
    let version = version.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    first & 0xc0 == 0xc0 && version.is_some_and(|version| QUIC_VERSIONS.contains(&version))
}

/// RFC 1035 section 4.1.1: a standard query or response with a question, and no more records than there is room for.
fn may_be_dns(data: &[u8]) -> bool {
    let Some([_, _, flags, more_flags, counts @ ..]) = data.first_chunk::<12>() else { return false };
    let [q0, q1, a0, a1, n0, n1, r0, r1] = counts;
    let [questions, records @ ..] =
        [[*q0, *q1], [*a0, *a1], [*n0, *n1], [*r0, *r1]].map(|bytes| usize::from(u16::from_be_bytes(bytes)));
    let records: usize = records.iter().sum();
    let is_standard = flags & 0x78 == 0 && more_flags & 0x40 == 0;
    let has_room = 12 + 5 * questions <= data.len() && 12 + 5 * questions + 11 * records <= data.len().max(1232);
    is_standard && (1..=64).contains(&questions) && has_room
}
