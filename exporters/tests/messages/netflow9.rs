//! NetFlow v9 packets decoded by a decoder of the tests and by the crate `netflow_parser`.

use netflow_parser::variable_versions::v9::FlowSetBody;
use netflow_parser::{NetflowPacket, NetflowParser};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};
use pidflow_schema::{DataType, Element, FlowRecord, Length, Value};
use proptest::prelude::*;

use crate::decode::Decoder;

const NOW_NS: u64 = 1_767_230_000_123_456_789;

fn encode(encoder: &mut Netflow9Encoder, records: &[FlowRecord], now_ns: u64) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    encoder.encode(records, now_ns, &mut |m| packets.push(m.bytes.to_vec()));
    packets
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// What RFC 3954 says the octets of `e` are, when uptime 0 was at `boot_ms`.
fn octets(e: &Element, record: &FlowRecord, boot_ms: u64) -> Vec<u8> {
    let width = usize::from(e.v9_length);
    match ((e.read)(record), e.length) {
        (Some(Value::Time(ns)), _) if e.data_type == DataType::DateTimeSeconds => {
            ((ns / 1_000_000 - boot_ms) as u32).to_be_bytes().to_vec()
        }
        (_, Length::Variable { v9 }) => {
            let mut text = String::from_utf8(crate::expected::octets(e, record)).unwrap();
            while text.len() >= usize::from(v9) {
                text.pop();
            }
            let mut octets = text.into_bytes();
            octets.resize(usize::from(v9), 0);
            octets
        }
        _ => {
            let wide = crate::expected::octets(e, record);
            let cut = wide.len().saturating_sub(width);
            let saturated = wide[..cut].iter().any(|b| *b != 0);
            if saturated { vec![255; width] } else { wide[cut..].to_vec() }
        }
    }
}

fn assert_decodes(packets: &[Vec<u8>], records: &[FlowRecord], template: &Template) {
    let mut decoder = Decoder::default();
    let mut expected = records.iter();
    for (sequence, packet) in packets.iter().enumerate() {
        let decoded = decoder.message(packet);
        let count = decoded.templates + decoded.records.len();
        assert_eq!(decoded.header[..4], [[0, 9], (count as u16).to_be_bytes()].concat());
        assert_eq!(u32_at(packet, 12) as usize, sequence);
        let boot_ms = u64::from(u32_at(packet, 8)) * 1000 - u64::from(u32_at(packet, 4));
        for got in decoded.records {
            let record = expected.next().expect("more records than were sent");
            let elements = template.elements().iter().filter(|e| record.groups().contains(e.group));
            let wanted: Vec<_> = elements.filter_map(|e| Some(((None, e.v9?), octets(e, record, boot_ms)))).collect();
            assert_eq!(got, wanted);
        }
    }
    assert!(expected.next().is_none(), "records are missing");
}

#[test]
fn every_kind_of_record_decodes_to_the_same_values() {
    let records = sample::records(300);
    // A record of everything that there is does not fit in one of the default's size.
    let options = Netflow9Options { max_message: 2000, ..Netflow9Options::default() };
    let mut encoder = Netflow9Encoder::new(Template::default(), options);
    let packets = encode(&mut encoder, &records, NOW_NS);
    assert!(packets.iter().all(|m| m.len() <= 2000));
    assert_decodes(&packets, &records, &Template::default());
    assert_eq!((encoder.stats().records, encoder.stats().oversized), (300, 0));
}

#[test]
fn a_record_older_than_the_system_moves_its_start() {
    let mut old = sample::full(1);
    old.flow.first_ns -= 40 * 24 * 3600 * 1_000_000_000;
    let records = [sample::full(0), old, sample::full(2)];
    let mut encoder = Netflow9Encoder::new(Template::default(), Netflow9Options::default());
    let packets = encode(&mut encoder, &records, NOW_NS);
    assert_decodes(&packets, &records, &Template::default());
}

#[test]
fn the_uptime_is_never_before_the_end_of_a_flow() {
    let mut record = sample::full(1);
    record.flow.last_ns = NOW_NS;
    let mut encoder = Netflow9Encoder::new(Template::parse("%LAST_SWITCHED").unwrap(), Netflow9Options::default());
    let packets = encode(&mut encoder, &[record], NOW_NS);
    let last = Decoder::default().message(&packets[0]).records[0][0].1.clone();
    assert!(u32_at(&last, 0) <= u32_at(&packets[0], 4));
}

#[test]
fn netflow_parser_finds_the_same_records() {
    let records = sample::records(200);
    let mut encoder = Netflow9Encoder::new(
        Template::default(),
        Netflow9Options { source_id: 9, max_message: 2000, ..Netflow9Options::default() },
    );
    let mut parser = NetflowParser::default();
    let mut found = 0;
    for packet in encode(&mut encoder, &records, NOW_NS) {
        let result = parser.parse_bytes(&packet);
        assert!(result.error.is_none(), "{:?}", result.error);
        let Some(NetflowPacket::V9(v9)) = result.packets.into_iter().next() else { panic!("not v9") };
        assert_eq!(v9.header.source_id, 9);
        for set in &v9.flowsets {
            if let FlowSetBody::Data(data) = &set.body {
                found += data.fields.len();
            }
        }
    }
    assert_eq!(found, records.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_choice_of_elements_and_records_decodes(
        numbers in proptest::collection::vec(0_u64..10_000, 1..60),
        picks in proptest::collection::vec(0_usize..pidflow_schema::ELEMENTS.len(), 1..40),
        max_message in 1300_usize..9000,
    ) {
        let text: String = picks.iter().map(|i| format!("%{} ", pidflow_schema::ELEMENTS[*i].name)).collect();
        // Shorter records than four octets cannot be told from padding (RFC 3954 section 5.3).
        let template = Template::parse(&format!("%IN_BYTES {text}")).unwrap();
        let records: Vec<_> = numbers.iter().map(|n| sample::record(*n)).collect();
        let sent = |r: &&FlowRecord| template.elements().iter().any(|e| e.v9.is_some() && r.groups().contains(e.group));
        let sendable: Vec<_> = records.iter().filter(sent).cloned().collect();
        let mut encoder = Netflow9Encoder::new(template.clone(), Netflow9Options { max_message, ..Netflow9Options::default() });
        let packets = encode(&mut encoder, &records, NOW_NS);
        prop_assert!(packets.iter().all(|m| m.len() <= max_message));
        assert_decodes(&packets, &sendable, &template);
    }
}
