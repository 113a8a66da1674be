//! Encrypted tunnels that are recognised as what they are: WireGuard, OpenVPN over UDP, and IPsec (ESP, also in UDP, and IKE).
//!
//! Nothing in them can be read, so one packet proves little. WireGuard and OpenVPN count only if an answer repeats the number that the
//! other end chose at random; ESP in UDP only if two packets have the same index and sequence numbers that follow, on its port.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::piece::Piece;

/// Encapsulating Security Payload (RFC 4303).
pub(super) const ESP: u8 = 50;
/// ESP and IKE in UDP (RFC 3948).
const ESP_PORT: u16 = 4500;
/// Index and sequence number (RFC 4303 section 2).
const ESP_HEADER: usize = 8;
/// Security parameters indexes up to this are reserved (RFC 4303 section 2.1).
const MAX_RESERVED_INDEX: u32 = 255;
/// How far the sequence number of ESP may advance from one packet that is seen to the next.
const MAX_ADVANCE: u32 = 1024;
/// An IKE header (RFC 7296 section 3.1).
const IKE_HEADER: usize = 28;
/// Before IKE in ESP's port (RFC 3948 section 2.2).
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// Bytes of a first packet of OpenVPN without and with all options; it has no payload.
const OPENVPN_RESET: std::ops::RangeInclusive<usize> = 14..=128;
/// Bytes of OpenVPN's session ids.
const SESSION: usize = 8;

/// Messages of these tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// The sender's index, in the first message of WireGuard (type 1, 148 bytes).
    WireGuardBegins([u8; 4]),
    /// The index of the first message's sender, in its answer (type 2, 92 bytes).
    WireGuardAnswers([u8; 4]),
    /// The sender's session id, in a hard reset of an OpenVPN client (opcodes 7 and 10).
    OpenVpnBegins([u8; SESSION]),
    /// A hard reset of an OpenVPN server (opcode 8).
    OpenVpnAnswers,
    Ike,
    /// Index and sequence number of ESP in UDP.
    Esp(u32, u32),
}

/// What is expected after the packets so far, with the end that sent the last one.
#[derive(Debug, Default)]
pub(super) struct Vpn {
    last: Option<(Message, bool)>,
}

impl Vpn {
    /// Reads a packet. Returns the protocol when it is certain.
    pub(super) fn see(&mut self, piece: &Piece<'_>) -> Option<Kind> {
        if piece.protocol == ESP {
            return Some(Kind::Ipsec);
        }
        let message = read(piece.ports, piece.bytes)?;
        let is_from_other = self.last.is_some_and(|(_, from_high)| from_high != piece.is_from_high);
        let kind = match (message, self.last.map(|(last, _)| last)) {
            (Message::Ike, _) => Some(Kind::Ipsec),
            (Message::WireGuardAnswers(to), Some(Message::WireGuardBegins(index))) if is_from_other && to == index => {
                Some(Kind::WireGuard)
            }
            (Message::OpenVpnAnswers, Some(Message::OpenVpnBegins(session))) if is_from_other => {
                let is_repeated = piece.bytes.windows(SESSION).skip(1 + SESSION).any(|window| window == session);
                is_repeated.then_some(Kind::OpenVpn)
            }
            (Message::Esp(index, number), Some(Message::Esp(known, before))) if index == known && !is_from_other => {
                (1..=MAX_ADVANCE).contains(&number.wrapping_sub(before)).then_some(Kind::Ipsec)
            }
            _ => None,
        };
        // A further packet of the end that waits for an answer, or one that is not an answer, begins anew.
        if !matches!(message, Message::WireGuardAnswers(_) | Message::OpenVpnAnswers) {
            self.last = Some((message, piece.is_from_high));
        }
        kind
    }
}

/// The number of bytes of a datagram that are worth reading; none: it is not of such a tunnel.
#[inline]
pub(super) fn octets(ports: [u16; 2], bytes: &[u8]) -> Option<usize> {
    Some(match read(ports, bytes)? {
        Message::Esp(..) => ESP_HEADER,
        _ => bytes.len(),
    })
}

/// The header of an ESP packet; none: packets cannot have its index or its sequence number.
pub(super) fn esp_header(bytes: &[u8]) -> Option<&[u8]> {
    esp(bytes).and_then(|_| bytes.get(..ESP_HEADER))
}

#[inline]
fn read(ports: [u16; 2], bytes: &[u8]) -> Option<Message> {
    match *bytes {
        [1, 0, 0, 0, a, b, c, d, ..] if bytes.len() == 148 => Some(Message::WireGuardBegins([a, b, c, d])),
        [2, 0, 0, 0, _, _, _, _, a, b, c, d, ..] if bytes.len() == 92 => Some(Message::WireGuardAnswers([a, b, c, d])),
        // Five bits of opcode, and three of key id, which is 0 at the beginning.
        [0x38 | 0x50, ..] if OPENVPN_RESET.contains(&bytes.len()) => {
            bytes.get(1..).and_then(|rest| rest.first_chunk().copied()).map(Message::OpenVpnBegins)
        }
        [0x40, ..] if OPENVPN_RESET.contains(&bytes.len()) => Some(Message::OpenVpnAnswers),
        _ if is_ike(bytes) => Some(Message::Ike),
        _ if ports.contains(&ESP_PORT) => match bytes.strip_prefix(&NON_ESP_MARKER) {
            Some(ike) => is_ike(ike).then_some(Message::Ike),
            None => esp(bytes),
        },
        _ => None,
    }
}

/// RFC 7296 section 3.1, and RFC 2408 section 3.1 for version 1: the initiator's index, which is not 0, the responder's, next payload,
/// version, exchange type, flags, message id, and the length of the whole message.
fn is_ike(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<IKE_HEADER>() else { return false };
    let [initiator @ .., _, _, _, _, _, _, _, _, _, version, exchange, _, _, _, _, _, l0, l1, l2, l3] = header;
    let is_known = matches!((version, exchange), (0x20, 34..=37 | 43) | (0x10, 1..=6 | 32 | 33));
    is_known
        && initiator.iter().any(|byte| *byte != 0)
        && u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize == bytes.len()
}

/// RFC 4303 section 2: index, sequence number, which begins with 1, and at least one block.
fn esp(bytes: &[u8]) -> Option<Message> {
    let [i0, i1, i2, i3, n0, n1, n2, n3, ..] = *bytes else { return None };
    let (index, number) = (u32::from_be_bytes([i0, i1, i2, i3]), u32::from_be_bytes([n0, n1, n2, n3]));
    (index > MAX_RESERVED_INDEX && number > 0).then_some(Message::Esp(index, number))
}
