//! Files with the state of a collector: none makes it panic or exceed its memory, before or after data arrive.
//!
//! The input is what follows the checksum, which is put before it.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use pidflow_collector::{Collector, Limits, Settings};

const NOW_NS: u64 = 1_767_225_700_000_000_000;
const LIMITS: Limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 16 };
const MAGIC: &[u8] = b"pidflow-collect1";
/// A message with a set of the template 256.
const DATA: [u8; 36] = [
    0, 10, 0, 36, 0x69, 0x55, 0xb9, 0x80, 0, 0, 0, 9, 0, 0, 0, 7, 1, 0, 0, 20, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 1, 0,
    0, 0, 9,
];

fuzz_target!(|octets: &[u8]| {
    let mut collector = Collector::new(Settings { limits: LIMITS, ..Settings::default() });
    let state = [MAGIC, &crc32fast::hash(octets).to_be_bytes(), octets].concat();
    let _ = collector.restore(&state, NOW_NS);
    assert!(collector.kept_bytes() <= LIMITS.max_bytes);
    let mut out = Vec::new();
    collector.datagram(&DATA, SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 4739)), NOW_NS, &mut out);
    collector.expire(NOW_NS);
    // What it knows then can be kept again.
    let mut again = Collector::new(Settings { limits: LIMITS, ..Settings::default() });
    assert!(again.restore(&collector.save(), NOW_NS).is_ok());
});
