//! MQTT 3.1, 3.1.1 and 5: a client's first packet.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{ServiceMessage, is_all};

/// The client's first packet, without flags.
const CONNECT: u8 = 0x10;

/// Whether the payload is a client's first packet, by what is in front of the protocol's name.
#[inline]
pub(super) fn fits(data: &[u8]) -> bool {
    read(data.get(..data.len().min(super::MAX_HEAD)).unwrap_or_default()).is_some()
}

/// Reads a client's first packet: type, length of the rest in 7 bits a byte, name and version of the protocol.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let rest = data.strip_prefix(&[CONNECT])?;
    let end = rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let (digits, name) = (rest.get(..=end)?, rest.get(end + 1..)?);
    let octets = digits.iter().rev().fold(0_usize, |sum, digit| sum << 7 | usize::from(digit & 0x7f));
    let is_known =
        matches!(name, [0, 4, b'M', b'Q', b'T', b'T', 4 | 5, ..] | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, ..]);
    (is_known && is_all(2 + end + octets, data)).then_some(ServiceMessage::of(Kind::Mqtt, None))
}
