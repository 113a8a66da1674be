//! JA4, the fingerprint of a TLS client: what its ClientHello offers, in an order that does not depend on chance
//! (FoxIO, `ja4/technical_details/JA4.md`; JA4 alone, which is under the BSD licence, and none of JA4+).

use std::fmt::Write;

use ring::digest::{SHA256, digest};

/// Types of extensions that are not in the fingerprint's last part, because they differ from server to server.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// An empty list.
const NOTHING: &str = "000000000000";
/// Digits of each hash.
const HASH_DIGITS: usize = 12;
/// The greatest number that fits into two digits.
const MAX_COUNT: usize = 99;

/// The protocol that carries the ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp,
    Quic,
}

/// What the fingerprint is made from.
#[derive(Debug, Default)]
pub(super) struct Offer<'a> {
    /// The version in the message itself.
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    /// Types of the extensions.
    pub(super) extensions: Vec<u16>,
    /// Versions in the extension supported_versions.
    pub(super) versions: Vec<u16>,
    pub(super) signature_algorithms: Vec<u16>,
    /// The first application protocol; none: no such extension, or an empty list.
    pub(super) alpn: Option<&'a [u8]>,
}

impl Offer<'_> {
    /// The fingerprint: 36 characters.
    pub(super) fn ja4(&self, carrier: Carrier) -> String {
        let (ciphers, extensions) = (without_grease(&self.ciphers), without_grease(&self.extensions));
        let mut text = String::with_capacity(36);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{}{}{}{:02}{:02}{}_{}_{}",
            if carrier == Carrier::Quic { 'q' } else { 't' },
            self.version_digits(),
            if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' },
            ciphers.len().min(MAX_COUNT),
            extensions.len().min(MAX_COUNT),
            self.alpn_ends(),
            hash_of(sorted(ciphers), &[]),
            hash_of(
                sorted(extensions.into_iter().filter(|kind| ![SERVER_NAME, ALPN].contains(kind)).collect()),
                &without_grease(&self.signature_algorithms)
            )
        );
        text
    }

    /// The greatest version that is offered.
    fn version_digits(&self) -> &'static str {
        match without_grease(&self.versions).into_iter().max().unwrap_or(self.version) {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        }
    }

    /// First and last character of the first application protocol; if these are not alphanumeric, those of its bytes in
    /// hexadecimal digits.
    fn alpn_ends(&self) -> String {
        let Some((first, last)) = self.alpn.and_then(|name| Some((*name.first()?, *name.last()?))) else {
            return "00".to_owned();
        };
        if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
            return [first, last].map(char::from).iter().collect();
        }
        format!("{:x}{:x}", first >> 4, last & 15)
    }
}

/// RFC 8701: reserved values that clients add by chance.
fn without_grease(values: &[u16]) -> Vec<u16> {
    let is_grease = |value: u16| value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff;
    values.iter().copied().filter(|value| !is_grease(*value)).collect()
}

fn sorted(mut values: Vec<u16>) -> Vec<u16> {
    values.sort_unstable();
    values
}

/// The first digits of the SHA-256 of the numbers as text, and of further ones behind them.
fn hash_of(values: Vec<u16>, further: &[u16]) -> String {
    if values.is_empty() {
        return NOTHING.to_owned();
    }
    let mut text = list(&values);
    if !further.is_empty() {
        text.push('_');
        text.push_str(&list(further));
    }
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(HASH_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

fn list(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: [u16; 16] = [
        0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d,
        0x002f, 0x0035,
    ];
    const EXTENSIONS: [u16; 18] = [
        0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01,
        0x000b, 0x000a, 0x0015, 0x3a3a,
    ];

    /// The example of the specification.
    #[test]
    fn the_example_of_the_specification_has_its_fingerprint() {
        let offer = Offer {
            version: 0x0303,
            ciphers: CIPHERS.into(),
            extensions: EXTENSIONS.into(),
            versions: vec![0x7a7a, 0x0304, 0x0303],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            alpn: Some(b"h2"),
        };
        assert_eq!(offer.ja4(Carrier::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(offer.ja4(Carrier::Quic).get(..10), Some("q13d1516h2"));
        let without = Offer { signature_algorithms: Vec::new(), ..offer };
        assert_eq!(without.ja4(Carrier::Tcp), "t13d1516h2_8daaf6152771_6d807ffa2a79");
    }

    #[test]
    fn what_is_not_offered_has_zeros() {
        assert_eq!(
            Offer { version: 0x0301, ..Offer::default() }.ja4(Carrier::Tcp),
            "t10i000000_000000000000_000000000000"
        );
        let ends = |alpn| Offer { alpn: Some(alpn), ..Offer::default() }.alpn_ends();
        assert_eq!(
            [ends(b"http/1.1"), ends(b"x"), ends(b""), ends(b"\xab"), ends(b"\xab\xcd"), ends(b"0\xab")],
            ["h1", "xx", "00", "ab", "ad", "3b"]
        );
    }
}
