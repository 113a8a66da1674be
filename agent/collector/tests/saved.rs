//! What outlasts a restart.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at a surprise")]

mod common;

use common::{FLOW, NOW_NS, collector, exporter, flow, ipfix, netflow9, set, take, template, words};
use pidflow_collector::{BadState, Collector, Event, Limits};
use proptest::prelude::*;

const MINUTE_NS: u64 = 60_000_000_000;

/// Another collector that has taken up what this one knows.
fn restarted(before: &Collector, now_ns: u64) -> Collector {
    let mut after = collector(Limits::default());
    after.restore(&before.save(), now_ns).unwrap();
    after
}

#[test]
fn templates_are_known_and_what_was_sent_meanwhile_is_lost() {
    let mut before = collector(Limits::default());
    take(&mut before, &ipfix(0, 7, &[set(2, &template(256, &FLOW)), set(256, &[flow(1), flow(2)].concat())]));
    take(&mut before, &netflow9(10, 7, &[set(0, &template(300, &FLOW)), set(300, &flow(1))]));
    let mut after = restarted(&before, NOW_NS + MINUTE_NS);
    assert_eq!((after.sizes(), after.kept_bytes()), (before.sizes(), before.kept_bytes()));
    // Three records and two datagrams were sent while nobody listened.
    let came = take(&mut after, &ipfix(5, 7, &[set(256, &flow(9))]));
    assert_eq!(came[0].flow.forward.known_packets(), Some(9));
    assert_eq!(take(&mut after, &netflow9(13, 7, &[set(300, &flow(9))])).len(), 1);
    let counts = [Event::LostRecords, Event::LostDatagrams, Event::UnknownTemplate, Event::TemplateChanged];
    assert_eq!(counts.map(|event| after.counters().events(event)), [3, 2, 0, 0]);
}

#[test]
fn names_and_sampling_rates_are_known() {
    let mut before = collector(Limits::default());
    let options = [words(&[400, 3, 1]), words(&[10, 4, 82, 8, 34, 4])].concat();
    let record = [&1_u32.to_be_bytes()[..], b"uplink\0\0", &100_u32.to_be_bytes()].concat();
    let fields = [FLOW.as_slice(), &[10, 4]].concat();
    let sets = [set(3, &options), set(400, &record), set(2, &template(256, &fields))];
    take(&mut before, &ipfix(0, 7, &sets));
    let mut after = restarted(&before, NOW_NS);
    let data = [flow(2), 1_u32.to_be_bytes().to_vec()].concat();
    let came = take(&mut after, &ipfix(1, 7, &[set(256, &data)]));
    assert_eq!((&*came[0].flow.interface, came[0].flow.forward.known_packets()), ("uplink", Some(200)));
}

#[test]
fn what_is_too_old_or_too_much_is_not_taken_up() {
    let mut before = collector(Limits::default());
    take(&mut before, &ipfix(0, 7, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]));
    assert_eq!(restarted(&before, NOW_NS + 91 * MINUTE_NS).sizes(), (0, 0));
    for domain in 0..2000 {
        take(&mut before, &ipfix(0, domain, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]));
    }
    let limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 16 };
    let mut after = collector(limits);
    after.restore(&before.save(), NOW_NS).unwrap();
    assert!(after.kept_bytes() <= limits.max_bytes, "{}", after.kept_bytes());
}

#[test]
fn other_contents_are_refused() {
    let mut before = collector(Limits::default());
    take(&mut before, &ipfix(0, 7, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]));
    let good = before.save();
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let lying = [&b"pidflow-collect1"[..], &crc32fast::hash(&[0xff; 9]).to_be_bytes(), &[0xff; 9]].concat();
    let cases = [
        (&b""[..], BadState::Kind),
        (b"pidflow-collect9xxxx", BadState::Kind),
        (&good[..good.len() - 1], BadState::Checksum),
        (&good[..17], BadState::Checksum),
        (&changed, BadState::Checksum),
        (&lying, BadState::Contents),
    ];
    for (octets, why) in cases {
        let mut after = collector(Limits::default());
        assert_eq!(after.restore(octets, NOW_NS), Err(why));
        assert_eq!(after.sizes(), (0, 0));
    }
}

proptest! {
    /// Contents with a right checksum do no harm either.
    #[test]
    fn any_contents_do_no_harm(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..8)) {
        let mut before = collector(Limits::default());
        take(&mut before, &ipfix(0, 7, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]));
        let mut contents = before.save().split_off(20);
        for (place, octet) in changes {
            let at = place % contents.len();
            contents[at] = octet;
        }
        let state = [&b"pidflow-collect1"[..], &crc32fast::hash(&contents).to_be_bytes(), &contents].concat();
        let limits = Limits { max_bytes: 1 << 18, max_exporter_bytes: 1 << 16 };
        let mut after = collector(limits);
        let _ = after.restore(&state, NOW_NS);
        let mut out = Vec::new();
        after.datagram(&ipfix(5, 7, &[set(256, &flow(9))]), exporter(), NOW_NS, &mut out);
        after.expire(NOW_NS);
        prop_assert!(after.kept_bytes() <= limits.max_bytes);
    }
}
