//! Records that pidflow's own encoders send come back with every value that can be written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may end at a surprise")]

use std::net::SocketAddr;

use pidflow_collector::{Collector, Event, Protocol, Settings};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};
use pidflow_schema::{ELEMENTS, Element, Enterprise, FlowRecord, Value};

const NOW_NS: u64 = 1_767_225_700_000_000_000;
/// Enough for every kind of record.
const RECORDS: usize = 3000;

fn exporter() -> SocketAddr {
    "192.0.2.7:4739".parse().unwrap()
}

fn everything() -> Template {
    let names: Vec<String> = ELEMENTS.iter().map(|e| format!("%{}", e.name)).collect();
    Template::parse(&names.join(" ")).unwrap()
}

fn collect(messages: &[Vec<u8>]) -> (Vec<FlowRecord>, Collector) {
    let (mut collector, mut out) = (Collector::new(Settings::default()), Vec::new());
    messages.iter().for_each(|m| collector.datagram(m, exporter(), NOW_NS, &mut out));
    (out, collector)
}

/// What a value becomes that is not known in a record of its group: 0, which is what comes back.
fn is_nothing(value: Option<&Value<'_>>) -> bool {
    match value {
        None | Some(Value::Unsigned(0) | Value::Time(0)) => true,
        Some(Value::Text(text)) => text.is_empty(),
        Some(_) => false,
    }
}

fn compare(element: &Element, sent: &FlowRecord, came: &FlowRecord) {
    let (before, after) = ((element.read)(sent), (element.read)(came));
    if before != after && (element.group.is_counter() || !(is_nothing(before.as_ref()) && is_nothing(after.as_ref()))) {
        panic!("{}: {before:?} became {after:?}", element.name);
    }
}

/// The exporter itself is told by the collector where the record does not.
fn of_exporter(element: &Element) -> bool {
    ["EXPORTER_IPV4_ADDRESS", "EXPORTER_IPV6_ADDRESS", "OBSERVATION_DOMAIN_ID", "SAMPLING_RATE"].contains(&element.name)
}

fn check_all(sent: &[FlowRecord], came: &[FlowRecord], is_sent: impl Fn(&Element) -> bool) {
    assert_eq!(sent.len(), came.len());
    for (sent, came) in sent.iter().zip(came) {
        for element in ELEMENTS.iter().filter(|e| e.write.is_some() && is_sent(e)) {
            if sent.collected.is_some() || !of_exporter(element) {
                compare(element, sent, came);
            }
        }
        if sent.collected.is_none() {
            assert_eq!(came.collected.as_ref().unwrap().exporter, exporter().ip());
        }
    }
}

#[test]
fn ipfix_of_every_element_comes_back() {
    let sent = sample::records(RECORDS);
    let options = IpfixOptions { max_message: 60_000, options_records: true, domain: 9, ..IpfixOptions::default() };
    let (mut encoder, mut messages) = (IpfixEncoder::new(everything(), options), Vec::new());
    encoder.encode(&sent, NOW_NS, &mut |message| messages.push(message.bytes.to_vec()));
    let (came, collector) = collect(&messages);
    let limited = |e: &Element| !saturates(e);
    check_all(&sent, &came, limited);
    let counters = collector.counters();
    assert_eq!(counters.records(Protocol::Ipfix), RECORDS as u64);
    assert!(counters.events(Event::Options) > 0);
    let others = Event::ALL.iter().filter(|e| **e != Event::Options && counters.events(**e) > 0);
    assert_eq!(others.collect::<Vec<_>>(), [&Event::Options; 0]);
    let plain = came.iter().find(|r| r.collected.as_ref().unwrap().exporter == exporter().ip()).unwrap();
    assert_eq!(plain.collected.as_ref().unwrap().domain, 9);
}

#[test]
fn json_of_every_element_comes_back() {
    let sent = sample::records(RECORDS);
    let (encoder, mut lines) = (JsonEncoder::new(&everything(), JsonKeys::Names, 32473), Vec::new());
    encoder.encode(&sent, &mut lines);
    let (came, collector) = collect(&[lines]);
    check_all(&sent, &came, |_| true);
    assert_eq!(collector.counters().records(Protocol::Json), RECORDS as u64);
    let counted = Event::ALL.iter().filter(|event| collector.counters().events(**event) > 0);
    assert_eq!(counted.collect::<Vec<_>>(), [&Event::Options; 0]);
}

#[test]
fn lines_that_are_no_records_are_counted_and_the_others_are_read() {
    let good =
        br#"{"IPV4_SRC_ADDR":"10.0.0.1","IPV4_DST_ADDR":"10.0.0.2","IN_PKTS":3,"FLOW_END_MILLISECONDS":1767225699000}"#;
    let lines: [&[u8]; 6] = [
        good,
        br#"{"IPV4_SRC_ADDR":"10.0.0.1","IPV4_DST_ADDR":"#,
        br#"["IN_PKTS"]"#,
        br#"{"IN_PKTS":3}"#,
        br#"{"IPV4_SRC_ADDR":"10.0.0.1","IPV4_DST_ADDR":"10.0.0.2","COLOUR":"red","IN_PKTS":-3,"LAST_SWITCHED":1767225699}"#,
        good,
    ];
    let (came, collector) = collect(&[lines.join(&b"\n"[..])]);
    let packets: Vec<_> = came.iter().map(|r| r.flow.forward.known_packets()).collect();
    assert_eq!(packets, [Some(3), None, Some(3)]);
    assert_eq!(came[1].flow.last_ns, 1_767_225_699_000_000_000);
    let events = [Event::BadRecord, Event::NotAFlow, Event::UnknownKey, Event::BadValue];
    assert_eq!(events.map(|event| collector.counters().events(event)), [2, 1, 1, 1]);
}

/// ntop's memory elements have 32 bits, and pidflow's own follow them with the full value.
fn saturates(element: &Element) -> bool {
    element.enterprise == Enterprise::Ntop && element.name.ends_with("_MEMORY")
}

#[test]
fn netflow_v9_of_every_element_comes_back() {
    let sent = sample::records(RECORDS);
    let options = Netflow9Options { max_message: 60_000, source_id: 3, ..Netflow9Options::default() };
    let (mut encoder, mut messages) = (Netflow9Encoder::new(everything(), options), Vec::new());
    encoder.encode(&sent, NOW_NS, &mut |message| messages.push(message.bytes.to_vec()));
    let (came, collector) = collect(&messages);
    // Texts are cut there, and some elements have no type.
    check_all(&sent, &came, |e| e.v9.is_some() && e.data_type != pidflow_schema::DataType::String);
    assert_eq!(collector.counters().records(Protocol::Netflow9), RECORDS as u64);
}
