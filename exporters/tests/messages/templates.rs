//! More kinds of records than there are template numbers.

use std::sync::Arc;

use pidflow_exporters::ipfix::{Direction, IpfixEncoder, IpfixOptions};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{EncoderStats, Message, Resend, Template, sample};
use pidflow_schema::{Candidate, ELEMENTS, Element, FlowRecord, Handshake, Process, ProcessEnd, Protocol};

use crate::NOW_NS;
use crate::decode::Decoder;

/// Of the records that [`record`] makes, each with groups of its own.
const KINDS: u64 = 2 * 2 * 2 * 2 * 2 * 2 * 2 * 24 * 24;
/// Numbers of data templates.
const IDS: u64 = 64_999 - 256 + 1;
/// IN_BYTES.
const NUMBER: (Option<u32>, u16) = (None, 1);

/// An element of each group that NetFlow v9 has too.
fn template() -> Template {
    let mut of_groups: Vec<&Element> = Vec::new();
    for e in ELEMENTS.iter().filter(|e| e.v9.is_some()) {
        if of_groups.iter().all(|known| known.group != e.group) {
            of_groups.push(e);
        }
    }
    let names: Vec<_> = of_groups.iter().map(|e| format!("%{}", e.name)).collect();
    Template::parse(&format!("%IN_BYTES {}", names.join(" "))).unwrap()
}

/// Takes a number from 0 to `limit` out of `n`.
fn draw(n: &mut u64, limit: u64) -> u64 {
    let drawn = *n % limit;
    *n /= limit;
    drawn
}

fn end(n: &mut u64, full: &ProcessEnd) -> ProcessEnd {
    let mut end = full.clone();
    if draw(n, 2) == 0 {
        end.process = None;
    }
    match draw(n, 3) {
        0 => end.usage = None,
        1 => end.usage.as_mut().unwrap().iowait = None,
        _ => end.usage.as_mut().unwrap().iowait = Some(1),
    }
    if draw(n, 2) == 0 {
        end.network_namespace = None;
    }
    end.candidate = (draw(n, 2) == 0).then(|| Candidate { pid: 1, name: Arc::from("x") });
    end
}

/// The record of that kind; its octets are the number of the kind.
fn record(number: u64) -> FlowRecord {
    let (mut record, mut n) = (sample::full(1), number);
    let full = record.source.clone();
    let v6 = draw(&mut n, 2) == 1;
    if v6 {
        (record.flow.source, record.flow.destination) = ("::1".parse().unwrap(), "::2".parse().unwrap());
    }
    record.flow.forward.octets = number;
    record.flow.vlan = (draw(&mut n, 2) == 0).then_some(1);
    record.flow.macs = record.flow.macs.or(Some(([1; 6], [2; 6]))).filter(|_| draw(&mut n, 2) == 0);
    record.flow.handshake = (draw(&mut n, 2) == 0).then_some(Handshake { server_us: 1, client_us: 1 });
    record.host = if draw(&mut n, 2) == 0 { "h" } else { "" }.into();
    record.connect_error = (draw(&mut n, 2) == 0).then_some(111);
    if draw(&mut n, 2) == 0 {
        record.flow.protocol = if v6 { Protocol::ICMPV6 } else { Protocol::ICMP };
        record.flow.icmp_type_code = Some(8 << 8);
    }
    record.source = end(&mut n, &full);
    record.destination = end(&mut n, &full);
    assert_eq!(n, 0);
    record
}

/// Gives records of all kinds to an encoder, and what that makes of them to a decoder. Returns the numbers that came out.
fn through(mut encode: impl FnMut(&[FlowRecord], &mut dyn FnMut(Message<'_>))) -> Vec<u64> {
    let (mut decoder, mut numbers) = (Decoder::default(), Vec::new());
    for start in (0..KINDS).step_by(512) {
        let records: Vec<_> = (start..KINDS.min(start + 512)).map(record).collect();
        encode(&records, &mut |message| {
            let message = decoder.message(message.bytes);
            if message.header[1] == 10 {
                assert_eq!(message.header[8..12], (numbers.len() as u32).to_be_bytes(), "withdrawals are no records");
            }
            for record in message.records {
                let octets = &record.iter().find(|(key, _)| *key == NUMBER).unwrap().1;
                numbers.push(octets.iter().fold(0, |n, octet| n << 8 | u64::from(*octet)));
            }
        });
    }
    numbers
}

fn ipfix(options: IpfixOptions) -> (Vec<u64>, EncoderStats) {
    let mut encoder = IpfixEncoder::new(template(), options);
    let numbers = through(|records, sink| encoder.encode(records, NOW_NS, &mut |message| sink(message)));
    (numbers, encoder.stats())
}

#[test]
fn over_a_connection_every_record_arrives() {
    for direction in [Direction::Biflow, Direction::Ntop] {
        let options = IpfixOptions { resend: Resend::NEVER, direction, ..IpfixOptions::default() };
        let (numbers, stats) = ipfix(options);
        assert!(numbers.into_iter().eq(0..KINDS));
        assert_eq!((stats.records, stats.no_template), (KINDS, 0), "{stats:?}");
    }
}

/// Numbers are used again only when receivers have forgotten what they meant.
#[test]
fn over_udp_those_for_which_there_is_no_number_are_counted() {
    let (numbers, stats) =
        ipfix(IpfixOptions { resend: Resend { messages: 0, ..Resend::default() }, ..IpfixOptions::default() });
    assert!(numbers.into_iter().eq(0..IDS));
    assert_eq!((stats.records, stats.no_template), (IDS, KINDS - IDS), "{stats:?}");
}

#[test]
fn netflow9_counts_them_too() {
    let resend = Resend { messages: 0, ..Resend::default() };
    let mut encoder = Netflow9Encoder::new(template(), Netflow9Options { resend, ..Netflow9Options::default() });
    let numbers = through(|records, sink| encoder.encode(records, NOW_NS, &mut |message| sink(message)));
    let stats = encoder.stats();
    assert_eq!(stats.records + stats.no_template, KINDS, "{stats:?}");
    // Not every one of these elements has a number in NetFlow v9, but every kind has a template of its own.
    assert_eq!((numbers.len() as u64, stats.no_template), (IDS, KINDS - IDS));
}

#[test]
fn a_new_connection_knows_no_template_and_has_all_numbers() {
    let options = IpfixOptions { resend: Resend::NEVER, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(template(), options);
    encoder.encode(&(0..10_000).map(record).collect::<Vec<_>>(), NOW_NS, &mut |_| {});
    encoder.restart();
    let (mut decoder, mut records) = (Decoder::default(), 0);
    encoder.encode(&(0..10_000).map(record).collect::<Vec<_>>(), NOW_NS, &mut |message| {
        records += decoder.message(message.bytes).records.len();
    });
    assert_eq!(records, 10_000);
}

/// A zero would be root.
#[test]
fn a_user_who_is_unknown_or_not_kept_is_absent() {
    let template = Template::parse("%IN_BYTES %SRC_PROC_PID %SRC_PROC_UID %SRC_FATHER_PROC_UID").unwrap();
    let kept = sample::full(1);
    let mut omitted = kept.clone();
    let process = Arc::make_mut(omitted.source.process.as_mut().unwrap());
    (process.uid, process.parent_uid) = (Process::UNKNOWN_UID, None);
    let mut encoder = IpfixEncoder::new(template, IpfixOptions::default());
    let (mut decoder, mut numbers) = (Decoder::default(), Vec::new());
    encoder.encode(&[kept, omitted], NOW_NS, &mut |message| {
        let records = decoder.message(message.bytes).records;
        numbers.extend(records.iter().map(|record| record.iter().filter(|(key, _)| key.0.is_some()).count()));
    });
    assert_eq!(numbers, [3, 1], "elements of ntop");
}
