//! Messages of exporters, made octet by octet.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::SocketAddr;

use pidflow_collector::{Collector, Limits, Settings};
use pidflow_schema::FlowRecord;

pub(crate) const NOW_NS: u64 = 1_767_225_700_000_000_000;
const NOW_S: u32 = 1_767_225_700;

pub(crate) fn exporter() -> SocketAddr {
    "192.0.2.7:4739".parse().unwrap()
}

pub(crate) fn collector(limits: Limits) -> Collector {
    Collector::new(Settings { limits, ..Settings::default() })
}

/// The records of one datagram.
pub(crate) fn take(collector: &mut Collector, datagram: &[u8]) -> Vec<FlowRecord> {
    take_from(collector, exporter(), datagram)
}

pub(crate) fn take_from(collector: &mut Collector, from: SocketAddr, datagram: &[u8]) -> Vec<FlowRecord> {
    let mut out = Vec::new();
    collector.datagram(datagram, from, NOW_NS, &mut out);
    out
}

pub(crate) fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

pub(crate) fn longs(longs: &[u32]) -> Vec<u8> {
    longs.iter().flat_map(|w| w.to_be_bytes()).collect()
}

pub(crate) fn set(id: u16, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len() + 4).unwrap();
    [words(&[id, length]), contents.to_vec()].concat()
}

pub(crate) fn ipfix(sequence: u32, domain: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let length = u16::try_from(sets.len() + 16).unwrap();
    [words(&[10, length]), longs(&[NOW_S, sequence, domain]), sets].concat()
}

/// With an uptime of 100 s.
pub(crate) fn netflow9(sequence: u32, source_id: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    [words(&[9, 1]), longs(&[100_000, NOW_S, sequence, source_id]), sets.concat()].concat()
}

/// Addresses, packets (4 octets) and octets (4 octets).
pub(crate) const FLOW: [u16; 8] = [8, 4, 12, 4, 2, 4, 1, 4];

pub(crate) fn template(id: u16, fields: &[u16]) -> Vec<u8> {
    let count = u16::try_from(fields.len() / 2).unwrap();
    [words(&[id, count]), words(fields)].concat()
}

/// A record of [`FLOW`].
pub(crate) fn flow(packets: u32) -> Vec<u8> {
    longs(&[0x0a00_0001, 0x0a00_0002, packets, packets * 100])
}
