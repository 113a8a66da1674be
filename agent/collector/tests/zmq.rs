//! Messages over ZeroMQ, as nProbe and pidflow send them to ntopng.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at a surprise")]

mod common;

use std::io::Write;

use common::{NOW_NS, collector, exporter};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pidflow_collector::{Collector, Event, Limits, Protocol};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{Template, sample};
use pidflow_schema::{ELEMENTS, Enterprise, FlowRecord, NtopCompression, NtopHeader, NtopHeaderForm};
use proptest::prelude::*;

const FORMS: [NtopHeaderForm; 4] = [NtopHeaderForm::V0, NtopHeaderForm::V1, NtopHeaderForm::V2, NtopHeaderForm::V3];

fn zlib(payload: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(payload).unwrap();
    encoder.finish().unwrap()
}

fn take(collector: &mut Collector, frames: &[Vec<u8>]) -> Vec<FlowRecord> {
    let mut out = Vec::new();
    collector.zmq(frames, exporter(), NOW_NS, &mut out);
    out
}

fn plain(number: u32, payload: &[u8]) -> [Vec<u8>; 2] {
    let octets = payload.len() as u32;
    [NtopHeader::of_flows(number, 3, octets).write(NtopHeaderForm::V2), payload.to_vec()]
}

fn everything() -> Template {
    let names: Vec<String> = ELEMENTS.iter().map(|e| format!("%{}", e.name)).collect();
    Template::parse(&names.join(" ")).unwrap()
}

fn events(collector: &Collector) -> Vec<(&'static str, u64)> {
    let all = Event::ALL.iter().map(|e| (e.name(), collector.counters().events(*e)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// What pidflow's exporter sends comes back, with every kind of key, in every layout of the header.
#[test]
fn records_of_pidflow_come_back() {
    let sent = sample::records(300);
    for keys in [JsonKeys::Names, JsonKeys::Numbers, JsonKeys::PenNumbers] {
        let (encoder, mut lines) = (JsonEncoder::new(&everything(), keys, Enterprise::DEFAULT_OWN_PEN), Vec::new());
        encoder.encode(&sent, &mut lines);
        let objects: Vec<&[u8]> = lines.split(|o| *o == b'\n').filter(|l| !l.is_empty()).collect();
        for form in FORMS {
            let mut collector = collector(Limits::default());
            let mut came = Vec::new();
            for (number, group) in (1..).zip(objects.chunks(7)) {
                let payload = [b"[", group.join(&b","[..]).as_slice(), b"]"].concat();
                let header = NtopHeader::of_flows(number, 3, payload.len() as u32).write(form);
                came.extend(take(&mut collector, &[header, payload]));
            }
            let mut lines = Vec::new();
            JsonEncoder::new(&everything(), JsonKeys::Names, Enterprise::DEFAULT_OWN_PEN).encode(&came, &mut lines);
            let named = |records: &[FlowRecord]| {
                let mut lines = Vec::new();
                JsonEncoder::new(&Template::default(), JsonKeys::Names, 1).encode(records, &mut lines);
                let lines = String::from_utf8(lines).unwrap();
                let told = |line: &str| {
                    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
                    // The collector says who sent it.
                    object.retain(|name, _| !name.starts_with("EXPORTER_IPV") && name != "OBSERVATION_DOMAIN_ID");
                    object
                };
                lines.lines().map(told).collect::<Vec<_>>()
            };
            assert_eq!(came.len(), sent.len(), "{keys:?} {form:?}: {:?}", events(&collector));
            assert_eq!(named(&came), named(&sent), "{keys:?} {form:?}");
            assert_eq!(events(&collector), [], "{keys:?} {form:?}");
            assert_eq!(collector.counters().records(Protocol::Zmq), sent.len() as u64);
        }
    }
}

const NPROBE: &str = r#"{"8":"10.0.0.1","12":"10.0.0.2","27":"::","28":"::","7":4000,"11":443,"4":6,"6":27,"1":"1500","2":3,"23":9000,"24":7,
    "22":1767225600,"21":1767225660,"57640":4242,"35632.169":"curl","57847":0,"376":"","NTOP_TIMESTAMP":"1.2","58039":0}"#;

#[test]
fn numbers_of_nprobe_are_read_with_its_units() {
    let mut collector = collector(Limits::default());
    let came = take(&mut collector, &plain(1, NPROBE.as_bytes()));
    let record = &came[0];
    assert_eq!((record.flow.source.to_string(), record.flow.destination_port), ("10.0.0.1".into(), 443));
    assert_eq!(record.flow.first_ns, 1_767_225_600_000_000_000);
    assert_eq!(record.flow.last_ns, 1_767_225_660_000_000_000);
    assert_eq!((record.flow.forward.known_octets(), record.flow.reverse.known_packets()), (Some(1500), Some(7)));
    assert_eq!((record.flow.forward.known_tcp_flags(), record.flow.reverse.known_tcp_flags()), (Some(27), None));
    let client = record.source.process.as_ref().unwrap();
    assert_eq!((client.pid, &*client.name), (4242, "curl"));
    assert!(record.destination.process.is_none(), "zeros are no process");
    assert_eq!(record.collected.as_ref().unwrap().domain, 3);
    assert_eq!(events(&collector), [("unknown-key", 1)]);
}

#[test]
fn payloads_may_be_compressed_or_tlv_or_lines() {
    let mut collector = collector(Limits::default());
    let compressed = [&[0][..], &zlib(NPROBE.as_bytes())].concat();
    assert_eq!(take(&mut collector, &plain(1, &compressed)).len(), 1);
    let packed = zlib(NPROBE.as_bytes());
    let header = NtopHeader { compression: NtopCompression::Zlib, ..NtopHeader::of_flows(2, 3, packed.len() as u32) };
    assert_eq!(take(&mut collector, &[header.write(NtopHeaderForm::V3), packed]).len(), 1);
    let lines = [NPROBE, "\n", NPROBE, "\n\0"].concat();
    assert_eq!(take(&mut collector, &plain(3, lines.as_bytes())).len(), 2);
    let tlv = [
        &[1, 1][..],
        &[0x2b, 8, 0, 8],
        b"10.0.0.1",
        &[0x2b, 12, 0, 8],
        b"10.0.0.2",
        &[0x22, 2, 3, 0x24, 21, 0x69, 0x55, 0xbd, 0xbc, 0x33, 0xe1, 0x28, 0x10, 0x92, 1],
    ]
    .concat();
    let header = NtopHeader { is_tlv: true, ..NtopHeader::of_flows(4, 3, tlv.len() as u32) };
    let came = take(&mut collector, &[header.write(NtopHeaderForm::V1), tlv]);
    assert_eq!(came[0].source.process.as_ref().unwrap().pid, 4242);
    assert_eq!((came[0].flow.forward.known_packets(), came[0].flow.last_ns), (Some(3), 1_767_226_812_000_000_000));
    // In layout V1 the source has eight bits, and is the same publisher.
    assert_eq!(collector.counters().events(Event::LostDatagrams), 0);
}

#[test]
fn losses_and_restarts_are_counted_by_source() {
    let mut collector = collector(Limits::default());
    for number in [1, 2, 6, 7, 1, 2] {
        assert_eq!(take(&mut collector, &plain(number, NPROBE.as_bytes())).len(), 1);
    }
    let count = |event| collector.counters().events(event);
    assert_eq!((count(Event::LostDatagrams), count(Event::Restarted), count(Event::Late)), (3, 1, 0));
}

#[test]
fn hostile_messages_are_counted() {
    let mut collector = collector(Limits::default());
    let bomb = [&[0][..], &zlib(&vec![b' '; 64 << 20])].concat();
    let event = NtopHeader { topic: b"event", ..NtopHeader::of_flows(1, 3, 2) }.write(NtopHeaderForm::V2);
    let deep = "[".repeat(100_000);
    let tlv = NtopHeader { is_tlv: true, ..NtopHeader::of_flows(1, 3, 2) }.write(NtopHeaderForm::V2);
    let cases: [(Vec<Vec<u8>>, Event); 9] = [
        (vec![], Event::UnknownVersion),
        (vec![b"{}".to_vec()], Event::UnknownVersion),
        (vec![vec![0; 23], b"{}".to_vec()], Event::UnknownVersion),
        (plain(1, &bomb).to_vec(), Event::BadPayload),
        (plain(1, &[0, 1, 2, 3]).to_vec(), Event::BadPayload),
        (plain(1, deep.as_bytes()).to_vec(), Event::BadPayload),
        (vec![tlv, vec![1, 1, 0x2b, 8, 255, 255]], Event::BadPayload),
        (vec![event, b"{}".to_vec()], Event::OtherTopic),
        (plain(1, br#"[{"8":"10.0.0.1"}]"#).to_vec(), Event::NotAFlow),
    ];
    for (frames, event) in cases {
        let before = collector.counters().events(event);
        assert_eq!(take(&mut collector, &frames).len(), 0);
        assert_eq!(collector.counters().events(event), before + 1, "{event:?}");
    }
    assert!(collector.kept_bytes() < 1 << 16);
}

proptest! {
    #[test]
    fn any_octets_do_no_harm(form in 0..4_usize, is_tlv: bool, place in 0..40_usize, octet: u8, payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut collector = collector(Limits::default());
        let payload = if is_tlv { [&[1, 1], payload.as_slice()].concat() } else { payload };
        let mut header = NtopHeader { is_tlv, ..NtopHeader::of_flows(1, 3, 1) }.write(FORMS[form]);
        let at = place % header.len();
        header[at] = octet;
        let came = take(&mut collector, &[header, payload]);
        prop_assert_eq!(collector.counters().records(Protocol::Zmq), came.len() as u64);
    }
}
