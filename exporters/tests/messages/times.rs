//! Times that 32 bits of seconds or milliseconds cannot tell: counted, and never another time.

use pidflow_exporters::ipfix::{IpfixEncoder, IpfixOptions};
use pidflow_exporters::netflow9::{Netflow9Encoder, Netflow9Options};
use pidflow_exporters::{Template, sample};
use pidflow_schema::FlowRecord;

use crate::decode::{Decoder, Key};

const DAY_MS: u64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR_MS: u64 = 1_767_225_600_000;
/// The last second of 32 bits, in 2106.
const LAST_32_MS: u64 = 4_294_967_295_000;
/// The last millisecond of 64 bits of nanoseconds, in 2554.
const LAST_MS: u64 = u64::MAX / 1_000_000;

const LAST_SWITCHED: Key = (None, 21);
const FLOW_END_SECONDS: Key = (None, 151);
const FLOW_END_MILLISECONDS: Key = (None, 153);

fn at(first_ms: u64, last_ms: u64) -> FlowRecord {
    let mut record = sample::full(1);
    (record.flow.first_ns, record.flow.last_ns) = (first_ms * 1_000_000, last_ms * 1_000_000);
    record
}

fn number(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |n, octet| n << 8 | u64::from(*octet))
}

/// What a collector makes of the record's `LAST_SWITCHED`, milliseconds since 1970, as nfdump does it; none: it was left out.
fn through_netflow9(encoder: &mut Netflow9Encoder, record: &FlowRecord, now_ms: u64) -> Option<u64> {
    let (before, mut times) = (encoder.stats(), Vec::new());
    let mut decoder = Decoder::default();
    encoder.announce_again();
    encoder.encode(std::slice::from_ref(record), now_ms * 1_000_000, &mut |message| {
        let message = decoder.message(message.bytes);
        let (uptime, seconds) = (number(&message.header[4..8]), number(&message.header[8..12]));
        let boot_ms = seconds * 1000 - uptime;
        for record in message.records {
            times.push(boot_ms + number(&record.iter().find(|(key, _)| *key == LAST_SWITCHED).unwrap().1));
        }
    });
    let left_out = encoder.stats().time_out_of_range - before.time_out_of_range;
    assert_eq!(left_out + times.len() as u64, 1);
    times.pop()
}

#[test]
fn netflow9_sends_a_time_exactly_or_not_at_all() {
    let times = [
        0,
        1,
        DAY_MS,
        NEW_YEAR_MS - 400 * DAY_MS,
        NEW_YEAR_MS,
        NEW_YEAR_MS + DAY_MS,
        LAST_32_MS - 1,
        LAST_32_MS + 1000,
        LAST_MS,
    ];
    let (mut told, mut left_out) = (0, 0);
    for now_ms in times {
        for (first_ms, last_ms) in times.into_iter().flat_map(|a| times.map(|b| (a.min(b), b))) {
            let template = Template::parse("%FIRST_SWITCHED %LAST_SWITCHED").unwrap();
            let mut encoder = Netflow9Encoder::new(template, Netflow9Options::default());
            match through_netflow9(&mut encoder, &at(first_ms, last_ms), now_ms) {
                Some(time) => {
                    assert_eq!(time, last_ms, "{first_ms} {now_ms}");
                    told += 1;
                }
                None => left_out += 1,
            }
        }
    }
    assert!(told > 100 && left_out > 100, "{told} {left_out}");
}

/// 32 bits of milliseconds are 49.7 days, for which agents run.
#[test]
fn netflow9_goes_on_for_a_year() {
    let template = Template::parse("%FIRST_SWITCHED %LAST_SWITCHED").unwrap();
    let mut encoder = Netflow9Encoder::new(template, Netflow9Options::default());
    for hour in 0..366 * 24 {
        let now_ms = NEW_YEAR_MS + hour * DAY_MS / 24 + 123;
        let record = at(now_ms - DAY_MS / 2, now_ms - 7);
        assert_eq!(through_netflow9(&mut encoder, &record, now_ms), Some(now_ms - 7), "{hour}");
    }
}

/// A packet from the future among those of a file must not spoil the times of the others, which the same clock has then.
#[test]
fn one_record_from_the_future_leaves_the_others_right() {
    let template = Template::parse("%FIRST_SWITCHED %LAST_SWITCHED").unwrap();
    let mut encoder = Netflow9Encoder::new(template, Netflow9Options::default());
    for (time, now_ms) in [(NEW_YEAR_MS, NEW_YEAR_MS), (LAST_MS, LAST_MS), (NEW_YEAR_MS + 5, LAST_MS)] {
        let told = through_netflow9(&mut encoder, &at(time, time), now_ms);
        assert_eq!(told, (time != LAST_MS).then_some(time));
    }
}

#[test]
fn ipfix_tells_milliseconds_always_and_seconds_until_2106() {
    for (names, key, unit, told) in
        [("%FLOW_END_MILLISECONDS", FLOW_END_MILLISECONDS, 1, 6), ("%LAST_SWITCHED", FLOW_END_SECONDS, 1000, 4)]
    {
        let mut encoder = IpfixEncoder::new(Template::parse(names).unwrap(), IpfixOptions::default());
        let (mut decoder, mut times) = (Decoder::default(), Vec::new());
        let all = [0, NEW_YEAR_MS, LAST_32_MS - 1000, LAST_32_MS, LAST_32_MS + 1000, LAST_MS];
        let records = all.map(|ms| at(ms, ms));
        encoder.encode(&records, NEW_YEAR_MS * 1_000_000, &mut |message| {
            for record in decoder.message(message.bytes).records {
                times.push(number(&record.iter().find(|(k, _)| *k == key).unwrap().1));
            }
        });
        let wanted: Vec<_> = all.iter().take(told).map(|ms| ms / unit).collect();
        assert_eq!((times, encoder.stats().time_out_of_range), (wanted, 6 - told as u64), "{names}");
    }
}

/// One-way records: the second half of one that is left out is not counted again.
#[test]
fn omitted_records_are_counted_once() {
    let options = IpfixOptions { direction: pidflow_exporters::ipfix::Direction::Uniflow, ..IpfixOptions::default() };
    let mut encoder = IpfixEncoder::new(Template::parse("%LAST_SWITCHED").unwrap(), options);
    let record = at(LAST_MS, LAST_MS);
    assert!(record.flow.reverse.packets > 0);
    encoder.encode(&[record], 0, &mut |_| panic!("there is nothing to send"));
    assert_eq!((encoder.stats().time_out_of_range, encoder.stats().records), (1, 0));
}
