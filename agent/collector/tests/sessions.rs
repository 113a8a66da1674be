//! Templates that come late, change, collide or are withdrawn; options; limits; NetFlow v5 and sFlow, octet by octet.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at a surprise")]

mod common;

use std::net::{IpAddr, SocketAddr};

use common::{FLOW, NOW_NS, exporter, flow, ipfix, longs, netflow9, set, take, take_from, template, words};
use pidflow_collector::{Collector, Event, Limits, Protocol, Settings};
use pidflow_schema::{Attribution, FlowEndReason, FlowRecord, by_name};

fn any() -> Collector {
    Collector::new(Settings::default())
}

fn packets(records: &[FlowRecord]) -> Vec<u64> {
    records.iter().map(|r| r.flow.forward.packets).collect()
}

#[test]
fn flags_of_tcp_that_an_exporter_does_not_send_are_absent() {
    let mut collector = any();
    let with_flags = [FLOW.as_slice(), &[6, 1]].concat();
    let data = [flow(1), vec![0x12]].concat();
    let sets =
        [set(2, &template(256, &FLOW)), set(2, &template(257, &with_flags)), set(256, &flow(1)), set(257, &data)];
    let came = take(&mut collector, &ipfix(0, 1, &sets));
    let flags = |record: &FlowRecord| {
        ["TCP_FLAGS", "CLIENT_TCP_FLAGS", "SERVER_TCP_FLAGS"]
            .map(|name| (by_name(name).unwrap().read)(record).and_then(|v| v.number::<u8>()))
    };
    assert_eq!(flags(&came[0]), [None; 3]);
    assert_eq!(flags(&came[1]), [Some(0x12), Some(0x12), None]);
}

#[test]
fn data_wait_for_their_template_for_a_while() {
    let mut c = any();
    assert!(take(&mut c, &ipfix(0, 1, &[set(256, &flow(1))])).is_empty());
    assert_eq!(c.counters().events(Event::UnknownTemplate), 0, "it may still come");
    assert!(take(&mut c, &ipfix(0, 2, &[set(2, &template(256, &FLOW))])).is_empty(), "another domain");
    let came = take(&mut c, &ipfix(1, 1, &[set(2, &template(256, &FLOW)), set(256, &flow(2))]));
    assert_eq!(packets(&came), [1, 2]);
    take(&mut c, &ipfix(2, 1, &[set(300, &flow(3))]));
    c.expire(NOW_NS + 31_000_000_000);
    assert_eq!(c.counters().events(Event::UnknownTemplate), 1);
    assert!(take(&mut c, &ipfix(3, 1, &[set(2, &template(300, &FLOW))])).is_empty());
    assert_eq!(c.counters().events(Event::LostRecords), 0, "records that could not be counted are not taken for lost");
}

#[test]
fn templates_change_collide_and_are_withdrawn() {
    let mut c = any();
    let swapped = [12, 4, 8, 4, 2, 4, 1, 4];
    take(&mut c, &ipfix(0, 1, &[set(2, &template(256, &FLOW))]));
    take(&mut c, &ipfix(0, 2, &[set(2, &template(256, &swapped))]));
    let one = take(&mut c, &ipfix(0, 1, &[set(256, &flow(1))]));
    let two = take(&mut c, &ipfix(0, 2, &[set(256, &flow(1))]));
    assert_eq!(one[0].flow.source, two[0].flow.destination, "each domain has its own templates");
    take(&mut c, &ipfix(1, 1, &[set(2, &template(256, &FLOW))]));
    assert_eq!(c.counters().events(Event::TemplateChanged), 0, "the same again");
    take(&mut c, &ipfix(1, 1, &[set(2, &template(256, &swapped))]));
    assert_eq!(c.counters().events(Event::TemplateChanged), 1);
    assert_eq!(take(&mut c, &ipfix(1, 1, &[set(256, &flow(1))]))[0].flow.source, two[0].flow.source);
    take(&mut c, &ipfix(2, 1, &[set(2, &words(&[256, 0]))]));
    assert_eq!((c.counters().events(Event::TemplateWithdrawn), c.sizes()), (1, (2, 1)));
    take(&mut c, &ipfix(1, 2, &[set(2, &words(&[2, 0]))]));
    assert_eq!(c.sizes(), (2, 0), "all are withdrawn");
    take(&mut c, &ipfix(1, 2, &[set(2, &template(256, &FLOW))]));
    c.expire(NOW_NS + 5401 * 1_000_000_000);
    assert_eq!((c.counters().events(Event::TemplateExpired), c.sizes(), c.kept_bytes()), (1, (0, 0), 0));
}

#[test]
fn bad_templates_and_sets_are_counted_and_the_rest_is_read() {
    let mut c = any();
    let bad = [template(256, &[8, 0]), words(&[257, 9, 8, 4]), template(9, &FLOW)];
    bad.iter().for_each(|t| assert!(take(&mut c, &ipfix(0, 1, &[set(2, t)])).is_empty()));
    assert_eq!(c.counters().events(Event::BadTemplate), 3);
    let good = [set(77, &[1]), set(2, &template(256, &FLOW)), set(256, &[flow(1), vec![0; 3]].concat())];
    assert_eq!(packets(&take(&mut c, &ipfix(0, 1, &good))), [1]);
    assert_eq!((c.counters().events(Event::ReservedSet), c.counters().events(Event::BadRecord)), (1, 0));
    assert_eq!(packets(&take(&mut c, &ipfix(1, 1, &[set(256, &[flow(1), vec![9; 3]].concat())]))), [1]);
    assert_eq!(c.counters().events(Event::BadRecord), 1, "a record that is cut off");
    let mut short = ipfix(2, 1, &[set(256, &flow(1))]);
    short.truncate(short.len() - 1);
    assert!(take(&mut c, &short).is_empty() && take(&mut c, &[]).is_empty() && take(&mut c, &[0, 7, 1]).is_empty());
    assert_eq!((c.counters().events(Event::Truncated), c.counters().events(Event::UnknownVersion)), (1, 2));
    take(&mut c, &ipfix(2, 1, &[words(&[256, 3])]));
    assert_eq!(c.counters().events(Event::BadSet), 1);
}

#[test]
fn losses_are_counted_in_the_unit_of_the_protocol() {
    let mut c = any();
    take(&mut c, &ipfix(0, 1, &[set(2, &template(256, &FLOW)), set(256, &[flow(1), flow(2)].concat())]));
    take(&mut c, &ipfix(7, 1, &[set(256, &flow(1))]));
    assert_eq!(c.counters().events(Event::LostRecords), 5);
    take(&mut c, &ipfix(2, 1, &[set(256, &[flow(1), flow(2), flow(3)].concat())]));
    assert_eq!((c.counters().events(Event::LostRecords), c.counters().events(Event::Late)), (2, 1));
    take(&mut c, &netflow9(5, 1, &[set(0, &template(256, &FLOW))]));
    take(&mut c, &netflow9(9, 1, &[]));
    assert_eq!(c.counters().events(Event::LostDatagrams), 3);
}

#[test]
fn counters_are_multiplied_by_the_rate_of_the_sampler() {
    let mut c = any();
    // NetFlow v9: the scope is the system; the sampler's number and its interval.
    let options = [words(&[400, 4, 8]), words(&[1, 4, 48, 1, 50, 4])].concat();
    let with_sampler = [FLOW.as_slice(), &[48, 1]].concat();
    let record = |sampler: u8| [flow(3), vec![sampler]].concat();
    take(&mut c, &netflow9(0, 1, &[set(0, &template(256, &with_sampler))]));
    let before = take(&mut c, &netflow9(1, 1, &[set(256, &record(2))]));
    assert_eq!((packets(&before), c.counters().events(Event::SamplingUnknown)), (vec![3], 1));
    assert_eq!(before[0].collected.as_ref().unwrap().sampling_rate, None);
    let rate = [longs(&[0]), vec![2], longs(&[1000])].concat();
    take(&mut c, &netflow9(2, 1, &[set(1, &options), set(400, &rate)]));
    let after = take(&mut c, &netflow9(3, 1, &[set(256, &record(2))]));
    assert_eq!((after[0].flow.forward.packets, after[0].flow.forward.octets), (3000, 300_000));
    assert_eq!(after[0].collected.as_ref().unwrap().sampling_rate, Some(1000));
}

#[test]
fn interfaces_have_the_names_of_options() {
    let mut c = any();
    let options = [words(&[400, 2, 1]), words(&[10, 4, 82, 65_535])].concat();
    let name = [longs(&[7]), vec![4], b"eth7".to_vec()].concat();
    let with_interface = [FLOW.as_slice(), &[10, 2]].concat();
    take(&mut c, &ipfix(0, 1, &[set(3, &options), set(400, &name), set(2, &template(256, &with_interface))]));
    let came = take(&mut c, &ipfix(1, 1, &[set(256, &[flow(1), words(&[7])].concat())]));
    assert_eq!((came[0].flow.interface_index, &*came[0].flow.interface), (7, "eth7"));
}

#[test]
fn zeros_of_other_exporters_are_no_processes_and_unknown_elements_are_kept() {
    let mut c = any();
    // ntop's process (PEN 35632), and an element of nobody that we know.
    let fields = [FLOW.as_slice(), &[168 | 0x8000, 4]].concat();
    let template = [words(&[256, 6]), words(&fields), longs(&[35_632]), words(&[9 | 0x8000, 2]), longs(&[9])].concat();
    let record = |pid: u32, other: u16| [flow(1), longs(&[pid]), words(&[other])].concat();
    let data = set(256, &[record(0, 0), record(42, 0xabc)].concat());
    let came = take(&mut c, &ipfix(0, 1, &[set(2, &template), data]));
    assert_eq!((&came[0].source.process, came[0].source.attribution), (&None, Attribution::NotReported));
    assert_eq!(came[1].source.process.as_ref().unwrap().pid, 42);
    assert_eq!(came[1].source.attribution, Attribution::Reported);
    let others = |r: &FlowRecord| r.collected.as_ref().unwrap().others.to_string();
    assert_eq!((others(&came[0]).as_str(), others(&came[1]).as_str()), ("", "9.9=0abc"));
}

fn address(n: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 2055)
}

/// Thirty fields, as routers have.
fn of_a_router() -> Vec<u8> {
    let more: Vec<u16> = (0..26).flat_map(|n| [200 + n, 4]).collect();
    template(256, &[FLOW.as_slice(), &more].concat())
}

#[test]
fn the_templates_of_ten_thousand_exporters_fit() {
    let mut c = any();
    for n in 0..10_000 {
        take_from(&mut c, address(n), &netflow9(0, n, &[set(0, &of_a_router())]));
    }
    assert_eq!((c.sizes(), c.counters().events(Event::SessionEvicted)), ((10_000, 10_000), 0));
    assert!(c.kept_bytes() < 16 << 20, "{} bytes", c.kept_bytes());
}

#[test]
fn no_sender_exceeds_the_memory_and_those_with_records_stay() {
    let limits = Limits { max_bytes: 1 << 20, max_exporter_bytes: 1 << 16 };
    let mut c = common::collector(limits);
    take(&mut c, &ipfix(0, 1, &[set(2, &template(256, &FLOW)), set(256, &flow(1))]));
    for n in 0..20_000 {
        take_from(&mut c, address(n), &netflow9(0, n, &[set(0, &of_a_router())]));
        assert!(c.kept_bytes() <= limits.max_bytes);
    }
    assert!(c.counters().events(Event::SessionEvicted) > 1000);
    let still = take(&mut c, &ipfix(1, 1, &[set(256, &flow(2))]));
    assert_eq!(packets(&still), [2], "a useful session was not forgotten");
    // One address, many domains, templates and waiting data.
    for n in 0..20_000 {
        let id = 256 + (n % 5000) as u16;
        let sets = [set(2, &template(id, &FLOW)), set(60_000, &[0; 900])];
        take_from(&mut c, address(1), &ipfix(0, n % 7, &sets));
        assert!(c.kept_bytes() <= limits.max_bytes);
    }
    assert!(c.counters().events(Event::ExporterFull) > 1000 && c.counters().events(Event::UnknownTemplate) > 1000);
}

#[test]
fn netflow_v5_has_sampling_routing_and_types_of_icmp() {
    let header = [words(&[5, 2]), longs(&[100_000, 1_767_225_700, 0, 77]), words(&[0x0102, 0x4000 | 100])].concat();
    let tcp = [longs(&[0x0a00_0001, 0x0a00_0002, 0x0a00_00fe]), words(&[3, 4]), longs(&[5, 500, 90_000, 99_000])];
    let tcp = [tcp.concat(), words(&[1234, 443]), vec![0, 0x13, 6, 8], words(&[64_496, 64_497]), vec![24, 16, 0, 0]];
    let icmp = [longs(&[0x0a00_0001, 0x0a00_0002, 0]), words(&[3, 4]), longs(&[1, 84, 90_000, 99_000])];
    let icmp = [icmp.concat(), words(&[0, 0x0800]), vec![0, 0, 1, 0], words(&[0, 0]), vec![0; 4]];
    let came = take(&mut any(), &[header, tcp.concat(), icmp.concat()].concat());
    let flow = &came[0].flow;
    assert_eq!((flow.source_port, flow.destination_port, flow.protocol, flow.forward.tcp_flags), (1234, 443, 6, 0x13));
    assert_eq!((flow.forward.known_packets(), flow.forward.known_octets()), (Some(500), Some(50_000)));
    let unknown = ["OUT_PKTS", "OUT_BYTES", "IN_FRAME_BYTES", "OUT_FRAME_BYTES"];
    for name in unknown {
        assert_eq!((by_name(name).unwrap().read)(&came[0]), None, "{name} is not in the protocol");
    }
    assert_eq!((NOW_NS - flow.first_ns, NOW_NS - flow.last_ns), (10_000_000_000, 1_000_000_000));
    assert_eq!(flow.end_reason, FlowEndReason::EndOfFlow);
    let collected = came[0].collected.as_ref().unwrap();
    assert_eq!((collected.exporter, collected.domain, &*collected.others), (exporter().ip(), 0x0102, "15=0a0000fe"));
    let routing = collected.routing.unwrap();
    assert_eq!((routing.egress_interface, routing.source_as, routing.destination_prefix), (4, 64_496, 16));
    assert_eq!((came[1].flow.icmp_type_code, came[1].flow.destination_port), (Some(0x0800), 0));
}

#[test]
fn sflow_samples_become_records() {
    let frame = [
        vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0],
        vec![0x45, 0, 0, 100, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
        words(&[53, 5353, 80, 0]),
    ]
    .concat();
    let length = u32::try_from(frame.len()).unwrap();
    let header = [longs(&[1, 118, 4, length]), frame, vec![0; 2]].concat();
    let record = [longs(&[1, u32::try_from(header.len()).unwrap()]), header].concat();
    let sample = [longs(&[1, 3, 512, 0, 0, 3, 4, 1]), record].concat();
    let counters = longs(&[2, 4, 0]);
    let sample = [longs(&[1, u32::try_from(sample.len()).unwrap()]), sample].concat();
    let datagram = [longs(&[5, 1, 0xc000_0201, 9, 1, 5000, 2]), sample, counters].concat();
    let mut c = any();
    let came = take(&mut c, &datagram);
    let flow = &came[0].flow;
    assert_eq!((flow.source.to_string().as_str(), flow.source_port, flow.destination_port), ("10.0.0.1", 53, 5353));
    assert_eq!((flow.forward.packets, flow.forward.octets, flow.forward.frame_octets), (512, 51_200, 512 * 114));
    assert_eq!((flow.forward.unknown.is_empty(), flow.reverse.known_packets()), (true, None));
    let collected = came[0].collected.as_ref().unwrap();
    assert_eq!(
        (collected.exporter.to_string().as_str(), collected.domain, collected.sampling_rate),
        ("192.0.2.1", 9, Some(512))
    );
    assert_eq!((flow.interface_index, collected.routing.unwrap().egress_interface), (3, 4));
    assert_eq!((c.counters().records(Protocol::Sflow), c.counters().events(Event::OtherSample)), (1, 1));
}
