//! The first packets of a QUIC client, whose keys follow from the packets themselves (RFC 9001 section 5.2).

use std::collections::BTreeMap;

use ring::aead::quic::{AES_128 as HEADER_AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::MAX_MESSAGE;
use super::ja4::Carrier;
use super::signature::QUIC_VERSIONS;
use super::tls::{self, ClientHello};

/// The greatest number of pieces of a ClientHello; Chromium sends about a dozen.
const MAX_FRAGMENTS: usize = 64;
/// The greatest number of packets in one datagram that are read.
const MAX_COALESCED: usize = 4;
/// RFC 9000 section 17.2: connection ids have at most this many bytes.
const MAX_CONNECTION_ID: usize = 20;
const SAMPLE: usize = 16;

/// The salts of [`QUIC_VERSIONS`] (RFC 9001 section 5.2, RFC 9369 section 3.3.1, draft-ietf-quic-tls-29).
const SALTS: [[u8; 20]; 3] = [
    hex(b"38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    hex(b"0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    hex(b"afbfec289993d24c9e9786f19c6111e04390a899"),
];
/// RFC 9369 section 3.3.2: version 2 has its own labels.
const VERSION_2: u32 = 0x6b33_43cf;

const fn hex(digits: &[u8; 40]) -> [u8; 20] {
    const fn value(digit: u8) -> u8 {
        if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
    }
    let mut bytes = [0; 20];
    let mut at = 0;
    while at < bytes.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiling; both lengths are fixed")]
        {
            bytes[at] = value(digits[2 * at]) << 4 | value(digits[2 * at + 1]);
        }
        at += 1;
    }
    bytes
}

/// What a client's first packets have said so far.
#[derive(Debug, Default)]
pub(super) struct Initials {
    /// Destination connection id of the client's first packet, from which the keys follow.
    connection_id: Option<Box<[u8]>>,
    /// Pieces of the ClientHello by their offset.
    fragments: BTreeMap<usize, Vec<u8>>,
}

impl Initials {
    /// Reads a datagram. Returns the ClientHello when it is complete.
    pub(super) fn read(&mut self, datagram: &[u8]) -> Option<ClientHello> {
        let mut rest = datagram;
        for _ in 0..MAX_COALESCED {
            let Some((packet, after)) = Initial::parse(rest) else { break };
            rest = after;
            if let Some(payload) = self.decrypt(&packet) {
                self.take_frames(&payload);
            }
        }
        self.hello()
    }

    /// Decrypts with the keys of the first packet, or, after a Retry, with those of this one.
    fn decrypt(&mut self, packet: &Initial<'_>) -> Option<Vec<u8>> {
        let known = self.connection_id.as_deref().and_then(|id| packet.decrypt(id));
        known.or_else(|| {
            let payload = packet.decrypt(packet.connection_id)?;
            self.connection_id = Some(packet.connection_id.into());
            self.fragments.clear();
            Some(payload)
        })
    }

    /// Takes CRYPTO frames (RFC 9000 section 19.6) up to the first frame that is not expected in a first packet.
    fn take_frames(&mut self, payload: &[u8]) {
        let mut reader = Reader(payload);
        while let Some(kind) = reader.varint() {
            let is_read = match kind {
                0 | 1 => Some(()),
                2 | 3 => reader.skip_ack(kind == 3),
                6 => reader.crypto().map(|(offset, data)| self.keep(offset, data)),
                _ => None,
            };
            if is_read.is_none() {
                return;
            }
        }
    }

    fn keep(&mut self, offset: u64, data: &[u8]) {
        let Ok(offset) = usize::try_from(offset) else { return };
        if offset.saturating_add(data.len()) <= MAX_MESSAGE && self.fragments.len() < MAX_FRAGMENTS {
            self.fragments.entry(offset).or_insert_with(|| data.to_vec());
        }
    }

    fn hello(&self) -> Option<ClientHello> {
        let mut message = Vec::new();
        for (offset, data) in &self.fragments {
            let known = message.len().checked_sub(*offset)?;
            message.extend_from_slice(data.get(known..).unwrap_or_default());
        }
        tls::client_hello(&message, Carrier::Quic)
    }

    /// Memory beside its own, bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.fragments.values().map(|data| data.capacity() + 2 * size_of::<Vec<u8>>()).sum()
    }
}

/// An Initial packet, still protected.
struct Initial<'a> {
    version: u32,
    connection_id: &'a [u8],
    /// From the first byte to the end of the packet.
    bytes: &'a [u8],
    /// Where the packet number begins.
    number_at: usize,
}

impl<'a> Initial<'a> {
    /// RFC 9000 section 17.2.2. Returns it and the rest of the datagram; none: another packet, or malformed.
    fn parse(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader(datagram);
        let first = reader.byte()?;
        let version = u32::from_be_bytes(*reader.take(4)?.first_chunk()?);
        let kind = if version == VERSION_2 { 0x10 } else { 0x00 };
        if first & 0xc0 != 0xc0 || first & 0x30 != kind || !QUIC_VERSIONS.contains(&version) {
            return None;
        }
        let connection_id = reader.connection_id()?;
        reader.connection_id()?;
        let token = reader.varint()?;
        reader.take(usize::try_from(token).ok()?)?;
        let octets = usize::try_from(reader.varint()?).ok()?;
        let number_at = datagram.len() - reader.0.len();
        let (bytes, rest) = datagram.split_at_checked(number_at.checked_add(octets)?)?;
        Some((Self { version, connection_id, bytes, number_at }, rest))
    }

    /// The payload, if the keys that follow from this connection id are right.
    fn decrypt(&self, connection_id: &[u8]) -> Option<Vec<u8>> {
        let keys = Keys::of_client(self.version, connection_id)?;
        let sample = self.bytes.get(self.number_at + 4..)?.get(..SAMPLE)?;
        let [mask, number_mask @ ..] = keys.header.new_mask(sample).ok()?;
        let mut header = self.bytes.get(..self.number_at + 4)?.to_vec();
        *header.first_mut()? ^= mask & 0x0f;
        let number_octets = usize::from(header.first()? & 3) + 1;
        header.truncate(self.number_at + number_octets);
        let mut number = 0_u32;
        for (byte, mask) in header.get_mut(self.number_at..)?.iter_mut().zip(number_mask) {
            *byte ^= mask;
            number = number << 8 | u32::from(*byte);
        }
        let mut payload = self.bytes.get(header.len()..)?.to_vec();
        let nonce = Nonce::assume_unique_for_key(keys.nonce(number));
        let octets = keys.payload.open_in_place(nonce, Aad::from(&header), &mut payload).ok()?.len();
        payload.truncate(octets);
        Some(payload)
    }
}

/// The keys of a client's Initial packets.
struct Keys {
    header: HeaderProtectionKey,
    payload: LessSafeKey,
    iv: [u8; 12],
}

impl Keys {
    fn of_client(version: u32, connection_id: &[u8]) -> Option<Self> {
        let salt = QUIC_VERSIONS.iter().position(|known| *known == version).and_then(|at| SALTS.get(at))?;
        let [key, iv, header] = match version {
            VERSION_2 => ["quicv2 key", "quicv2 iv", "quicv2 hp"],
            _ => ["quic key", "quic iv", "quic hp"],
        };
        let initial = Salt::new(HKDF_SHA256, salt).extract(connection_id);
        let client = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&initial, "client in")?);
        Some(Self {
            header: HeaderProtectionKey::new(&HEADER_AES_128, &expand::<16>(&client, header)?).ok()?,
            payload: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &expand::<16>(&client, key)?).ok()?),
            iv: expand(&client, iv)?,
        })
    }

    /// RFC 9001 section 5.3: the packet number exclusive-ored to the end of the IV.
    fn nonce(&self, number: u32) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(number.to_be_bytes().iter().rev()) {
            *byte ^= number;
        }
        nonce
    }
}

/// The length of a key, bytes.
struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 without context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Prk, label: &str) -> Option<[u8; N]> {
    let octets = u16::try_from(N).ok()?.to_be_bytes();
    let label_octets = [u8::try_from(label.len() + 6).ok()?];
    let info = [&octets[..], &label_octets, b"tls13 ", label.as_bytes(), &[0]];
    let mut key = [0; N];
    secret.expand(&info, Octets(N)).ok()?.fill(&mut key).ok()?;
    Some(key)
}

/// Reads numbers and byte strings of QUIC.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    /// RFC 9000 section 16: the two highest bits are the logarithm of the length.
    fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let more = (1_usize << (first >> 6)) - 1;
        let rest = self.take(more)?;
        Some(rest.iter().fold(u64::from(first & 0x3f), |number, byte| number << 8 | u64::from(*byte)))
    }

    fn connection_id(&mut self) -> Option<&'a [u8]> {
        let octets = usize::from(self.byte()?);
        self.take(octets).filter(|id| id.len() <= MAX_CONNECTION_ID)
    }

    /// RFC 9000 section 19.3.
    fn skip_ack(&mut self, has_ecn: bool) -> Option<()> {
        self.varint()?;
        self.varint()?;
        let ranges = self.varint()?;
        self.varint()?;
        for _ in 0..ranges.saturating_mul(2).saturating_add(if has_ecn { 3 } else { 0 }) {
            self.varint()?;
        }
        Some(())
    }

    fn crypto(&mut self) -> Option<(u64, &'a [u8])> {
        let offset = self.varint()?;
        let octets = usize::try_from(self.varint()?).ok()?;
        Some((offset, self.take(octets)?))
    }
}
