//! IPFIX messages decoded by the crate `netflow_parser`, which shares no code with the encoder.

use netflow_parser::variable_versions::field_value::FieldValue;
use netflow_parser::variable_versions::ipfix::lookup::IPFixField;
use netflow_parser::variable_versions::ipfix::{FlowSetBody, IPFix};
use netflow_parser::{NetflowPacket, NetflowParser};
use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::{MetricSource, Resend, Template, sample};
use pidflow_schema::metric::{Family, MetricSample, Point};
use pidflow_schema::{Enterprise, FlowRecord};
use proptest::prelude::*;

use crate::NOW_NS;
use crate::decode::Decoder;

fn encode(encoder: &mut IpfixEncoder, records: &[FlowRecord], now_ns: u64) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    encoder.encode(records, now_ns, &mut |m| messages.push(m.bytes.to_vec()));
    messages
}

fn parse(parser: &mut NetflowParser, message: &[u8]) -> IPFix {
    let result = parser.parse_bytes(message);
    assert!(result.error.is_none(), "{:?}", result.error);
    match result.packets.into_iter().next() {
        Some(NetflowPacket::IPFix(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

fn data(packet: &IPFix) -> Vec<&Vec<(IPFixField, FieldValue)>> {
    let sets = packet.flowsets.iter();
    sets.flat_map(|s| match &s.body {
        FlowSetBody::Data(d) => d.fields.iter().collect(),
        FlowSetBody::Template(_) | FlowSetBody::Templates(_) => Vec::new(),
        FlowSetBody::OptionsTemplate(_) | FlowSetBody::OptionsTemplates(_) | FlowSetBody::OptionsData(_) => Vec::new(),
        other => panic!("{other:?}"),
    })
    .collect()
}

/// What the other decoder read, as octets.
fn decoded(value: &FieldValue) -> Vec<u8> {
    match value {
        FieldValue::String(s) => s.value.clone().into_bytes(),
        other => {
            let mut out = Vec::new();
            other.write_be_bytes(&mut out).unwrap();
            out
        }
    }
}

/// Every message in order decodes to `records`, element by element, with the right sequence numbers.
fn assert_decodes(messages: &[Vec<u8>], records: &[FlowRecord], template: &Template, own_pen: u32) {
    let mut decoder = Decoder::default();
    let mut expected = records.iter();
    let mut sequence = 0_u32;
    for message in messages {
        let decoded = decoder.message(message);
        assert_eq!(decoded.header[..4], [[0, 10], (message.len() as u16).to_be_bytes()].concat());
        assert_eq!(decoded.header[8..12], sequence.to_be_bytes());
        sequence += (decoded.records.len() + decoded.options.len()) as u32;
        for got in decoded.records {
            let record = expected.next().expect("more records than were sent");
            let elements = template.elements().iter().filter(|e| record.groups().contains(e.group));
            let wanted: Vec<_> =
                elements.map(|e| ((e.enterprise.number(own_pen), e.id), crate::expected::octets(e, record))).collect();
            assert_eq!(got, wanted);
        }
    }
    assert!(expected.next().is_none(), "records are missing");
}

/// `netflow_parser` refuses sets with an empty string in them, which RFC 7011 section 7 allows.
fn has_no_empty_string(record: &FlowRecord, template: &Template) -> bool {
    let mut present = template.elements().to_vec();
    present.retain(|e| record.groups().contains(e.group));
    present.iter().all(|e| !crate::expected::octets(e, record).is_empty())
}

#[test]
fn netflow_parser_reads_the_same_values() {
    // This parser cannot read empty strings, and each pod has owners of at most two kinds.
    let template = Template::parse("@FLOW@ @PROCESS@ @PIDFLOW@ @TUNNEL@ @NAT@").unwrap();
    let mut records = sample::records(600);
    records.retain(|record| has_no_empty_string(record, &template));
    assert!(records.len() > 50);
    let mut encoder = IpfixEncoder::new(template.clone(), IpfixOptions::default());
    let messages = encode(&mut encoder, &records, NOW_NS);
    let mut parser = NetflowParser::default();
    let packets: Vec<_> = messages.iter().map(|m| parse(&mut parser, m)).collect();
    let got = packets.iter().flat_map(data);
    assert_eq!(got.clone().count(), records.len());
    for (fields, record) in got.zip(&records) {
        let elements = template.elements().iter().copied().filter(|e| record.groups().contains(e.group));
        let wanted: Vec<_> = elements
            .map(|e| {
                (
                    IPFixField::new(e.id, e.enterprise.number(Enterprise::DEFAULT_OWN_PEN)),
                    crate::expected::octets(e, record),
                )
            })
            .collect();
        let got: Vec<_> = fields.iter().map(|(f, v)| (*f, decoded(v))).collect();
        assert_eq!(got, wanted);
    }
}

#[test]
fn every_kind_of_record_decodes_to_the_same_values() {
    let records = sample::records(300);
    // The longest records of all elements do not fit into a message of the usual size.
    let options = IpfixOptions { max_message: 2000, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::default(), options);
    let messages = encode(&mut encoder, &records, NOW_NS);
    assert!(messages.iter().all(|m| m.len() <= 2000));
    assert_decodes(&messages, &records, &Template::default(), Enterprise::DEFAULT_OWN_PEN);
    assert_eq!(encoder.stats().records, 300);
    assert_eq!((encoder.stats().shortened, encoder.stats().oversized, encoder.stats().empty), (0, 0, 0));
}

#[test]
fn header_has_domain_time_and_own_enterprise_number() {
    let options = IpfixOptions { domain: 7, own_pen: 54321, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::default(), options);
    let messages = encode(&mut encoder, &sample::records(9), NOW_NS);
    let packet = parse(&mut NetflowParser::default(), &messages[0]);
    assert_eq!((packet.header.observation_domain_id, packet.header.export_time), (7, 1_767_230_000));
    assert_decodes(&messages, &sample::records(9), &Template::default(), 54321);
}

#[test]
fn nodes_have_domains_of_their_own() {
    use pidflow_exporters::wire::node_domain;
    assert_ne!(node_domain("0b6a7f0c"), node_domain("0b6a7f0d"));
    assert_eq!((node_domain("web-1"), node_domain("")), (node_domain("web-1"), 1));
}

#[test]
fn templates_come_again_by_time_by_count_and_when_asked() {
    let resend = Resend { interval_ns: 10, messages: 3 };
    let options = IpfixOptions { resend, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::for_collectors(), options);
    let record = [sample::full(1)];
    let mut templates = |now_ns| {
        encode(&mut encoder, &record, now_ns);
        encoder.stats().templates
    };
    assert_eq!([100, 101, 102, 103, 104, 113, 114].map(&mut templates), [1, 1, 1, 2, 2, 3, 3]);
    encoder.announce_again();
    encode(&mut encoder, &record, 114);
    assert_eq!(encoder.stats().templates, 4);
}

#[test]
fn options_records_explain_every_enterprise_element_and_count() {
    let template = Template::default();
    let options = IpfixOptions { domain: 5, options_records: true, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(template.clone(), options);
    encoder.set_not_sent(77);
    let mut decoder = Decoder::default();
    let messages = encode(&mut encoder, &sample::records(3), NOW_NS);
    let options: Vec<_> = messages.iter().flat_map(|m| decoder.message(m).options).collect();
    let explained =
        template.elements().iter().filter(|e| matches!(e.enterprise, Enterprise::Ntop | Enterprise::Pidflow));
    let names: Vec<_> = explained.map(|e| e.ipfix_name.as_bytes().to_vec()).collect();
    let statistics = &options[0];
    assert_eq!(statistics[0], ((None, 149), 5_u32.to_be_bytes().to_vec()));
    assert_eq!(statistics[4], ((None, 166), 77_u64.to_be_bytes().to_vec()));
    let interface = options.last().unwrap();
    let name = b"eth0".to_vec();
    assert_eq!(interface, &vec![((None, 10), 2_u32.to_be_bytes().to_vec()), ((None, 82), name)]);
    let types = &options[1..options.len() - 1];
    assert_eq!(types.iter().map(|o| o[7].1.clone()).collect::<Vec<_>>(), names);
    let pid = types.iter().find(|o| o[7].1 == b"srcProcPid").unwrap();
    assert_eq!(pid[0], ((None, 346), 35632_u32.to_be_bytes().to_vec()));
    assert_eq!((&pid[1].1, &pid[2].1, &pid[3].1), (&vec![0, 168], &vec![3], &vec![4]));
}

/// The agent's figures as they are when they are sent.
fn figures() -> MetricSource {
    let by = |key, value| MetricSample::by(key, [(value, 7)]);
    MetricSource::new(move || {
        vec![
            Family::counter("pidflow.packets.discarded", "{packet}", "", by("reason", "not_ip")),
            Family::counter("pidflow.packets.dropped.by.kernel", "{packet}", "", by("interface", "eth0")),
            Family::counter("pidflow.edge.bytes", "By", "", by("id", "a->b")),
        ]
    })
}

#[test]
fn statistics_come_again_by_time_with_the_agents_figures() {
    let template = Template::parse("%PROTOCOL %SRC_PROC_PID").unwrap();
    let options = IpfixOptions {
        options_records: true,
        statistics_ns: 100,
        resend: Resend::NEVER,
        metrics: Some(figures()),
        ..IpfixOptions::default()
    };
    let (mut encoder, mut decoder) = (IpfixEncoder::new(template, options), Decoder::default());
    let mut options = |now_ns| -> Vec<_> {
        let messages = encode(&mut encoder, &[sample::full(1)], now_ns);
        messages.iter().flat_map(|m| decoder.message(m).options).collect()
    };
    let (first, second, third) = (options(1000), options(1050), options(1100));
    assert_eq!((first.len(), second.len(), third.len()), (2 + 2 + 4 + 2 + 1, 0, 4));
    assert_eq!(third[1][1], ((None, 164), 14_u64.to_be_bytes().to_vec()));
    let own = |id| (Some(32473), id);
    let series = b"reason=not_ip".to_vec();
    let domain = ((None, 149), vec![0; 4]);
    let name = (own(900), b"pidflow.packets.discarded".to_vec());
    assert_eq!(third[2], [domain, name, (own(901), series), (own(902), 7_u64.to_be_bytes().to_vec())]);
    let explained: Vec<_> = first.iter().filter(|o| o.len() == 8).map(|o| o[7].1.clone()).collect();
    assert_eq!(
        explained,
        ["srcProcPid", "figureName", "figureSeries", "figureTotal", "ledgerAccount", "ledgerReason"]
            .map(|name| name.as_bytes().to_vec())
    );
}

/// The ledger after so many intervals: of eth0, and of the ends.
fn ledger(intervals: u64) -> Vec<Family> {
    let sample = |attributes: &[(&'static str, &str)], n: u64| {
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        MetricSample::new(attributes, Point::Whole(n * intervals))
    };
    let accounts = |of: u64| {
        let account = |account| [("interface", "eth0"), ("account", account)];
        let discarded = [account("discarded").as_slice(), &[("reason", "non-ip-arp")]].concat();
        vec![sample(&account("kernel"), 9 * of), sample(&account("captured"), 8 * of), sample(&discarded, of)]
    };
    let ends = |of: u64| vec![sample(&[("end", "source"), ("attribution", "no-socket")], 7 * of)];
    vec![
        Family::counter("pidflow.ledger.packets", "{packet}", "", accounts(1)),
        Family::counter("pidflow.ledger.bytes", "By", "", accounts(100)),
        Family::counter("pidflow.ledger.end.packets", "{packet}", "", ends(1)),
        Family::counter("pidflow.ledger.end.bytes", "By", "", ends(100)),
    ]
}

#[test]
fn the_ledger_comes_in_every_interval_with_what_came_since() {
    let intervals = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let now = intervals.clone();
    let source = MetricSource::new(move || ledger(now.fetch_add(2, std::sync::atomic::Ordering::Relaxed)));
    let template = Template::parse("%PROTOCOL").unwrap();
    let options = IpfixOptions {
        options_records: true,
        statistics_ns: 100,
        resend: Resend::NEVER,
        metrics: Some(source),
        ..IpfixOptions::default()
    };
    let (mut encoder, mut decoder) = (IpfixEncoder::new(template, options), Decoder::default());
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let number = |value: &[u8]| u64::from_be_bytes(value.try_into().unwrap());
    let mut accounts = |now_ns| -> Vec<(String, [u64; 4])> {
        let messages = encode(&mut encoder, &[sample::full(1)], now_ns);
        let options = messages.iter().flat_map(|m| decoder.message(m).options);
        let ours = options.filter(|o| o.len() == 8 && o[2].0 == (Some(32473), 903) && o[3].0 == (Some(32473), 904));
        ours.map(|o| {
            let ids: Vec<_> = [1, 4, 5, 6, 7].iter().map(|i| o[*i].0).collect();
            assert_eq!(ids, [(None, 82), (None, 86), (None, 85), (None, 2), (None, 1)]);
            let names = [1, 2, 3].map(|i| text(&o[i].1)).join(" ");
            (names, [4, 5, 6, 7].map(|i| number(&o[i].1)))
        })
        .collect()
    };
    let row = |name: &str, of: u64, total: u64, delta: u64| {
        (name.to_owned(), [of * total, of * total * 100, of * delta, of * delta * 100])
    };
    let all = |total, delta| {
        [("eth0 kernel -", 9), ("eth0 captured -", 8), ("eth0 discarded non-ip-arp", 1), ("all source no-socket", 7)]
            .map(|(name, of)| row(name, of, total, delta))
    };
    assert_eq!(accounts(1000), all(1, 1));
    assert_eq!(accounts(1050), []);
    assert_eq!(accounts(1100), all(3, 2));
}

#[test]
fn a_narrower_limit_holds_for_later_messages() {
    let mut encoder = IpfixEncoder::new(Template::for_collectors(), IpfixOptions::default());
    encode(&mut encoder, &sample::records(100), NOW_NS);
    encoder.set_max_message(1000);
    assert!(encode(&mut encoder, &sample::records(100), NOW_NS).iter().all(|m| m.len() <= 1000));
}

#[test]
fn a_record_larger_than_a_message_has_its_texts_cut() {
    let mut record = sample::full(1);
    let mut process = (*record.source.process.clone().unwrap()).clone();
    process.command_line = "ü".repeat(5000).into();
    record.source.process = Some(process.into());
    let mut encoder =
        IpfixEncoder::new(Template::default(), IpfixOptions { max_message: 2000, ..IpfixOptions::default() });
    let records = [sample::full(0), record, sample::full(2)];
    let messages = encode(&mut encoder, &records, NOW_NS);
    assert!(messages.iter().all(|m| m.len() <= 2000));
    let stats = encoder.stats();
    assert_eq!((stats.records, stats.shortened, stats.oversized), (3, 1, 0));
    let mut decoder = Decoder::default();
    let decoded: usize = messages.iter().map(|m| decoder.message(m).records.len()).sum();
    assert_eq!(decoded, 3);
}

#[test]
fn a_record_without_any_of_the_templates_elements_is_counted() {
    let mut encoder = IpfixEncoder::new(Template::parse("@PROCESS@").unwrap(), IpfixOptions::default());
    let unknown = sample::record(6);
    assert!(encode(&mut encoder, &[unknown], NOW_NS).is_empty());
    assert_eq!((encoder.stats().empty, encoder.stats().records), (1, 0));
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
        let template = Template::parse(&text).unwrap();
        let records: Vec<_> = numbers.iter().map(|n| sample::record(*n)).collect();
        let sendable: Vec<_> = records.iter().filter(|r| template.elements().iter().any(|e| r.groups().contains(e.group))).cloned().collect();
        let mut encoder = IpfixEncoder::new(template.clone(), IpfixOptions { max_message, ..IpfixOptions::default() });
        let messages = encode(&mut encoder, &records, NOW_NS);
        prop_assert!(messages.iter().all(|m| m.len() <= max_message));
        prop_assert_eq!(encoder.stats().shortened, 0);
        assert_decodes(&messages, &sendable, &template, Enterprise::DEFAULT_OWN_PEN);
    }
}
