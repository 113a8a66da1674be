//! Octets that nobody should send: no panic, bounded memory, and every record that was made is counted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at a surprise")]

mod common;

use std::sync::LazyLock;

use common::{FLOW, NOW_NS, exporter, flow, ipfix, netflow9, set, template};
use pidflow_collector::{Event, Limits, Protocol};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 17 };

/// Well-formed datagrams of every protocol.
static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = vec![
        ipfix(0, 1, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]),
        netflow9(0, 1, &[set(0, &template(256, &FLOW)), set(256, &flow(1))]),
        [vec![0, 5, 0, 1], vec![0; 20], vec![1; 48]].concat(),
        [common::longs(&[5, 1, 1, 1, 1, 1, 1, 1, 100, 1, 3, 5, 0, 0, 3, 4, 1, 1, 60, 1, 60, 4, 44]), vec![0x45; 44]]
            .concat(),
    ];
    let records = sample::records(60);
    let options = IpfixOptions { options_records: true, ..IpfixOptions::default() };
    IpfixEncoder::new(Template::for_collectors(), options)
        .encode(&records, NOW_NS, &mut |m| all.push(m.bytes.to_vec()));
    let options = Netflow9Options::default();
    Netflow9Encoder::new(Template::for_collectors(), options)
        .encode(&records, NOW_NS, &mut |m| all.push(m.bytes.to_vec()));
    all
});

/// A place, as a part of the length, and what is written there.
type Change = (u16, Vec<u8>);

fn changed(which: usize, changes: &[Change], keep: u16) -> Vec<u8> {
    let mut datagram = GOOD[which % GOOD.len()].clone();
    for (place, octets) in changes {
        let at = usize::from(*place) % datagram.len();
        let end = datagram.len().min(at + octets.len());
        datagram[at..end].copy_from_slice(&octets[..end - at]);
    }
    let length = datagram.len() - usize::from(keep) % datagram.len();
    datagram.truncate(if keep.is_multiple_of(3) { length } else { datagram.len() });
    datagram
}

fn check(datagrams: &[Vec<u8>]) {
    let (mut collector, mut out) = (common::collector(LIMITS), Vec::new());
    for datagram in datagrams {
        collector.datagram(datagram, exporter(), NOW_NS, &mut out);
        assert!(collector.kept_bytes() <= LIMITS.max_bytes);
    }
    collector.expire(NOW_NS + 60_000_000_000);
    let counters = collector.counters();
    let sum = |of: fn(&pidflow_collector::Counters, Protocol) -> u64| -> u64 {
        Protocol::ALL.iter().map(|p| of(counters, *p)).sum()
    };
    let refused = counters.events(Event::Truncated) + counters.events(Event::UnknownVersion);
    assert_eq!(sum(pidflow_collector::Counters::datagrams) + refused, datagrams.len() as u64);
    assert_eq!(sum(pidflow_collector::Counters::records), out.len() as u64);
    for record in &out {
        assert_eq!(record.flow.source.is_ipv4(), record.flow.destination.is_ipv4());
        assert!(record.flow.first_ns <= record.flow.last_ns);
        assert!(record.flow.last_ns <= NOW_NS + 24 * 3600 * 1_000_000_000);
    }
}

#[test]
fn the_good_ones_give_records() {
    let (mut collector, mut out) = (common::collector(LIMITS), Vec::new());
    GOOD.iter().for_each(|datagram| collector.datagram(datagram, exporter(), NOW_NS, &mut out));
    assert!(out.len() > 120, "{} records", out.len());
    check(&GOOD);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_datagrams_do_no_harm(
        all in prop::collection::vec((any::<usize>(), prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 1..9)), 0..6), any::<u16>()), 1..12)
    ) {
        let datagrams: Vec<_> = all.iter().map(|(which, changes, keep)| changed(*which, changes, *keep)).collect();
        check(&datagrams);
    }

    #[test]
    fn any_octets_do_no_harm(version in prop::sample::select(vec![5_u8, 9, 10]), rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let zeros = if version == 5 && rest.len().is_multiple_of(2) { 3 } else { 1 };
        check(&[[vec![0; zeros], vec![version], rest].concat()]);
    }
}

/// Many short records in the largest datagram: what one datagram can cost is bounded by its octets.
#[test]
fn the_worst_datagram_is_bounded() {
    let mut collector = common::collector(Limits::default());
    let mut out = Vec::new();
    let many: Vec<u16> = (0..8000).flat_map(|_| [210, 0]).collect();
    let fields = [many.as_slice(), &[8, 4, 12, 4]].concat();
    collector.datagram(&ipfix(0, 1, &[set(2, &template(256, &fields))]), exporter(), NOW_NS, &mut out);
    let started = std::time::Instant::now();
    collector.datagram(&ipfix(0, 1, &[set(256, &vec![1; 65_000])]), exporter(), NOW_NS, &mut out);
    assert_eq!(out.len(), 8125);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "fields of no octets cost nothing");
}
