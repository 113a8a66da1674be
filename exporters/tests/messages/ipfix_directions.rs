//! The ways in which IPFIX sends both directions of a flow.

use pidflow_exporters::ipfix::{Direction, IpfixEncoder, IpfixOptions};
use pidflow_exporters::{EncoderStats, Template, sample};
use pidflow_schema::FlowRecord;

use crate::NOW_NS;
use crate::decode::{Decoder, Key, Record};

const SOURCE_PID: Key = (Some(35632), 168);
const DESTINATION_PID: Key = (Some(35632), 375);

/// The data records that are sent, the sequence number after them, and how many flow records the messages are said to have.
fn send(direction: Direction, records: &[FlowRecord]) -> (Vec<Record>, usize, EncoderStats) {
    let options = IpfixOptions { direction, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::default(), options);
    let (mut decoder, mut sent, mut counted) = (Decoder::default(), Vec::new(), 0);
    encoder.encode(records, NOW_NS, &mut |m| {
        counted += m.records;
        let message = decoder.message(m.bytes);
        assert_eq!(message.header[8..12], (sent.len() as u32).to_be_bytes());
        sent.extend(message.records);
    });
    (sent, counted, encoder.stats())
}

fn value(record: &Record, key: Key) -> Option<u64> {
    let octets = &record.iter().find(|(k, _)| *k == key)?.1;
    Some(octets.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

fn iana(record: &Record, id: u16) -> Option<u64> {
    value(record, (None, id))
}

#[test]
fn biflows_have_reverse_elements_and_say_who_connected() {
    let (sent, counted, _) = send(Direction::Biflow, &sample::records(100));
    assert_eq!((sent.len(), counted), (100, 100));
    for (got, record) in sent.iter().zip(sample::records(100)) {
        assert_eq!(value(got, (Some(29305), 1)), record.flow.reverse.known_octets());
        assert_eq!(
            iana(got, 239),
            Some(u64::from(record.flow.initiator != pidflow_schema::InitiatorBasis::FirstPacket))
        );
    }
}

#[test]
fn ntops_way_has_plain_elements_for_the_way_back() {
    let (sent, counted, _) = send(Direction::Ntop, &sample::records(100));
    assert_eq!((sent.len(), counted), (100, 100));
    for (got, record) in sent.iter().zip(sample::records(100)) {
        assert!(got.iter().all(|((pen, _), _)| *pen != Some(29305)));
        assert_eq!(
            (iana(got, 23), iana(got, 24)),
            (record.flow.reverse.known_octets(), record.flow.reverse.known_packets())
        );
        assert_eq!((iana(got, 1), iana(got, 2)), (Some(record.flow.forward.octets), Some(record.flow.forward.packets)));
    }
}

#[test]
fn one_way_records_have_their_own_ends() {
    let mut records = sample::records(100);
    records[50].flow.reverse = pidflow_schema::Counters::default();
    let (sent, counted, stats) = send(Direction::Uniflow, &records);
    // Each flow record is counted once, each data record in the sequence. Of three, it is not known what came back.
    assert_eq!((sent.len(), counted, stats.records), (196, 100, 196));
    let mut sent = sent.iter();
    for (n, record) in records.iter().enumerate() {
        let there = sent.next().unwrap();
        assert!(there.iter().all(|((pen, id), _)| *pen != Some(29305) && *id != 239), "record {n}");
        assert_eq!(
            (iana(there, 1), iana(there, 7)),
            (Some(record.flow.forward.octets), Some(record.flow.source_port.into()))
        );
        assert_eq!(iana(there, 6), Some(record.flow.forward.tcp_flags.into()));
        if n == 50 || record.flow.reverse.known_packets().is_none() {
            continue;
        }
        let back = sent.next().unwrap();
        let ports = (record.flow.destination_port.into(), record.flow.source_port.into());
        assert_eq!(
            (iana(back, 1), iana(back, 2)),
            (Some(record.flow.reverse.octets), Some(record.flow.reverse.packets))
        );
        assert_eq!((iana(back, 7), iana(back, 11)), (Some(ports.0), Some(ports.1)));
        assert_eq!(iana(back, 6), Some(record.flow.reverse.tcp_flags.into()));
        assert_eq!((iana(back, 8), iana(back, 12)), (iana(there, 12), iana(there, 8)));
        assert_eq!((iana(back, 56), iana(back, 80)), (iana(there, 80), iana(there, 56)));
        assert_eq!(
            (value(back, SOURCE_PID), value(back, DESTINATION_PID)),
            (value(there, DESTINATION_PID), value(there, SOURCE_PID))
        );
        assert_eq!((iana(back, 32), iana(back, 139)), (None, None));
    }
}

/// A way back that has nothing of the template is left out, and no flow record lost by that.
#[test]
fn a_way_back_without_elements_is_no_loss() {
    let options = IpfixOptions { direction: Direction::Uniflow, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::parse("%SRC_PROC_PID").unwrap(), options);
    let mut counted = 0;
    encoder.encode(&[sample::record(4)], NOW_NS, &mut |m| counted += m.records);
    assert_eq!((counted, encoder.stats().empty, encoder.stats().records), (1, 0, 1));
}
