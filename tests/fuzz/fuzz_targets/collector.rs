//! Datagrams of exporters: none makes the collector panic, exceed its memory, or lose count of its records.
//!
//! The input is a sequence of datagrams, each after its length in two octets.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use pidflow_collector::{Collector, Counters, Limits, Protocol, Settings};

const NOW_NS: u64 = 1_767_225_700_000_000_000;
const LIMITS: Limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 16 };

fuzz_target!(|octets: &[u8]| {
    let exporter = SocketAddr::from((Ipv4Addr::LOCALHOST, 4739));
    let mut collector = Collector::new(Settings { limits: LIMITS, ..Settings::default() });
    let (mut rest, mut out, mut records) = (octets, Vec::new(), 0);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (datagram, after) = after.split_at(length);
        collector.datagram(datagram, exporter, NOW_NS, &mut out);
        assert!(collector.kept_bytes() <= LIMITS.max_bytes);
        records += out.len() as u64;
        out.clear();
        rest = after;
    }
    collector.expire(NOW_NS + 60_000_000_000);
    let sum = |of: fn(&Counters, Protocol) -> u64| -> u64 {
        Protocol::ALL.iter().map(|p| of(collector.counters(), *p)).sum()
    };
    assert_eq!(sum(Counters::records), records);
});
