//! What identifies a flow on every host that sees it.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::{Flow, Protocol};
use crate::value::ShortText;

/// The initial sequence numbers of a TCP connection (RFC 9293 section 3.4.1). Linux chooses them anew for each connection, and
/// address translation leaves them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InitialSequences {
    /// In the SYN of the flow's source.
    pub source: u32,
    /// In the SYN of the flow's destination.
    pub destination: u32,
}

impl InitialSequences {
    /// Swaps source and destination.
    pub const fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
    }
}

/// From what a [`FlowKey`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowKeyBasis {
    /// The initial sequence numbers of both ends: another key for each connection.
    TcpSequence,
    /// The Community ID: the same key for all flows with these addresses and ports.
    CommunityId,
}

impl FlowKeyBasis {
    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TcpSequence => "tcp-sequence",
            Self::CommunityId => "community-id",
        }
    }
}

/// A key that is the same in all records of a flow, and on all hosts that see the flow.
///
/// It is the first 16 bytes of a SHA-1 digest. Of TCP connections whose beginning was seen, the digest is that of the text `tcp`, the
/// lower and the higher initial sequence number, both in network byte order. Of other flows it is the one in the Community ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The key.
    pub octets: [u8; 16],
    /// From what it was made.
    pub basis: FlowKeyBasis,
}

impl FlowKey {
    /// 32 lower-case hexadecimal digits, as OpenTelemetry writes trace ids.
    #[must_use]
    pub fn hex(&self) -> ShortText {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0');
        let mut text = [0; 32];
        for (pair, octet) in text.chunks_exact_mut(2).zip(self.octets) {
            pair.copy_from_slice(&[digit(octet >> 4), digit(octet)]);
        }
        ShortText::from_byte_string(&text).unwrap_or_default()
    }
}

impl Flow {
    /// The key that this flow has on every host.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        let digest = self.initial_sequences.map_or_else(|| community_digest(self), of_sequences);
        let mut octets = [0; 16];
        octets.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        FlowKey { octets, basis: self.key_basis() }
    }

    /// From what [`Self::key`] is made.
    #[must_use]
    pub const fn key_basis(&self) -> FlowKeyBasis {
        match self.initial_sequences {
            Some(_) => FlowKeyBasis::TcpSequence,
            None => FlowKeyBasis::CommunityId,
        }
    }

    /// The Community ID, version 1, seed 0 (Corelight's community-id-spec), of the addresses and ports after translation, which are
    /// those that the other host sees.
    #[must_use]
    pub fn community_id(&self) -> ShortText {
        let (mut id, mut base64) = (ShortText::new(), [0; 28]);
        id.push_str("1:");
        // A digest has 28 characters, for which there is room.
        let _ = STANDARD.encode_slice(community_digest(self), &mut base64);
        id.push_str(std::str::from_utf8(&base64).unwrap_or_default());
        id
    }
}

fn of_sequences(sequences: InitialSequences) -> [u8; 20] {
    let (a, b) = (sequences.source, sequences.destination);
    let sum = Sha1::new_with_prefix("tcp").chain_update(a.min(b).to_be_bytes()).chain_update(a.max(b).to_be_bytes());
    sum.finalize().into()
}

fn community_digest(flow: &Flow) -> [u8; 20] {
    let (source, destination) = match flow.translation.as_deref() {
        Some(t) => ((t.source, t.source_port), (t.destination, t.destination_port)),
        None => ((flow.source, flow.source_port), (flow.destination, flow.destination_port)),
    };
    let (source, destination, is_one_way) = match flow.icmp_type_code {
        Some(type_code) => {
            let ([type_, code], answer) = (type_code.to_be_bytes(), answered_by(flow.protocol, type_code));
            let ports = (u16::from(type_), answer.unwrap_or(code.into()));
            ((source.0, ports.0), (destination.0, ports.1), answer.is_none())
        }
        None => (source, destination, false),
    };
    let (low, high) = if is_one_way || source <= destination { (source, destination) } else { (destination, source) };
    let mut sum = Sha1::new_with_prefix([0, 0]);
    for address in [low.0, high.0] {
        match address {
            IpAddr::V4(a) => sum.update(a.octets()),
            IpAddr::V6(a) => sum.update(a.octets()),
        }
    }
    sum.update([flow.protocol, 0]);
    if has_ports(flow.protocol) {
        sum.update(low.1.to_be_bytes());
        sum.update(high.1.to_be_bytes());
    }
    sum.finalize().into()
}

const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, Protocol::ICMP | Protocol::TCP | Protocol::UDP | Protocol::ICMPV6 | Protocol::SCTP)
}

/// The ICMP type of the answer to a message, or of the request that it answers; none: there is none.
const fn answered_by(protocol: u8, type_code: u16) -> Option<u16> {
    let pairs: &[(u16, u16)] = match protocol {
        Protocol::ICMP => &[(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)],
        _ => &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
    };
    let type_ = type_code >> 8;
    let mut rest = pairs;
    while let [(a, b), tail @ ..] = rest {
        if type_ == *a {
            return Some(*b);
        }
        if type_ == *b {
            return Some(*a);
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Translation;

    fn flow(protocol: u8, source: (&str, u16), destination: (&str, u16)) -> Flow {
        let end = |(address, port): (&str, u16)| (address.parse().unwrap(), port);
        Flow::new(protocol, end(source), end(destination), (0, 0))
    }

    fn icmp(protocol: u8, type_code: [u8; 2], source: &str, destination: &str) -> Flow {
        let icmp_type_code = Some(u16::from_be_bytes(type_code));
        Flow { icmp_type_code, ..flow(protocol, (source, 7), (destination, 7)) }
    }

    /// The values of pycommunityid, the reference implementation of the specification's author.
    #[test]
    fn community_ids_are_those_of_the_specification() {
        let cases = [
            (flow(6, ("128.232.110.120", 34855), ("66.35.250.204", 80)), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (flow(6, ("66.35.250.204", 80), ("128.232.110.120", 34855)), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (flow(17, ("192.168.1.52", 54585), ("8.8.8.8", 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (icmp(1, [8, 0], "192.168.0.89", "192.168.0.1"), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (icmp(1, [0, 0], "192.168.0.1", "192.168.0.89"), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (icmp(1, [3, 1], "192.168.0.89", "192.168.0.1"), "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o="),
            (icmp(1, [3, 1], "192.168.0.1", "192.168.0.89"), "1:o3zT92uTgnRWv/YrDVeXcWumpC4="),
            (icmp(58, [135, 0], "fe80::1", "fe80::2"), "1:7IIPGNVAHI2udmsuJVpA3RMOAqc="),
            (icmp(58, [1, 4], "fe80::2", "fe80::1"), "1:KP7k20289QLlEmMHLKdRgaeGmfo="),
            (flow(46, ("10.0.0.2", 0), ("10.0.0.1", 0)), "1:dCjRyIB3edOtrQeRTaUbPd5raRE="),
            (flow(132, ("192.168.170.8", 7), ("192.168.170.56", 80)), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
        ];
        for (flow, id) in cases {
            assert_eq!(&*flow.community_id(), id, "{flow:?}");
            assert_eq!(flow.key().basis, FlowKeyBasis::CommunityId);
        }
    }

    #[test]
    fn the_key_is_the_same_in_both_directions_and_another_for_each_connection() {
        let mut flow = flow(6, ("10.0.0.1", 5000), ("10.0.0.2", 80));
        let of_tuple = flow.key();
        flow.initial_sequences = Some(InitialSequences { source: 7, destination: 5 });
        let key = flow.key();
        flow.turn_round();
        assert_eq!(flow.initial_sequences, Some(InitialSequences { source: 5, destination: 7 }));
        assert_eq!((flow.key(), key.basis), (key, FlowKeyBasis::TcpSequence));
        flow.initial_sequences = Some(InitialSequences { source: 5, destination: 8 });
        assert!(flow.key() != key && key != of_tuple);
        // printf 'tcp\0\0\0\5\0\0\0\7' | sha1sum
        assert_eq!(&*key.hex(), "0f0dbd7c26657d70d18160931fa87d4e");
    }

    #[test]
    fn the_key_is_that_of_the_addresses_after_translation() {
        let mut here = flow(17, ("10.1.1.11", 5000), ("10.96.0.1", 80));
        here.translation = Some(Box::new(Translation {
            source: "192.0.2.1".parse().unwrap(),
            source_port: 6000,
            destination: "10.1.2.11".parse().unwrap(),
            destination_port: 8080,
            begun_by_source: true,
        }));
        let there = flow(17, ("192.0.2.1", 6000), ("10.1.2.11", 8080));
        assert_eq!((here.key(), here.community_id()), (there.key(), there.community_id()));
    }
}
