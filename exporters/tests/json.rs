//! JSON lines parsed back by `serde_json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::net::IpAddr;

use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{Template, sample};
use pidflow_schema::{DataType, FlowRecord, Value};
use serde_json::{Map, json};

const PEN: u32 = 32473;

fn lines(template: &Template, keys: JsonKeys, records: &[FlowRecord]) -> Vec<Map<String, serde_json::Value>> {
    let mut out = Vec::new();
    JsonEncoder::new(template, keys, PEN).encode(records, &mut out);
    out.split_inclusive(|b| *b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn expected(value: Value<'_>, data_type: DataType) -> serde_json::Value {
    match value {
        Value::Unsigned(v) => json!(v),
        Value::Signed(v) => json!(v),
        Value::Text(t) => json!(&*t),
        Value::Ipv4(a) => json!(a.to_string()),
        Value::Ipv6(a) => json!(a.to_string()),
        Value::Mac(m) => json!(m.map(|b| format!("{b:02x}")).join(":")),
        Value::Time(ns) if data_type == DataType::DateTimeSeconds => json!(ns / 1_000_000_000),
        Value::Time(ns) => json!(ns / 1_000_000),
    }
}

#[test]
fn every_value_parses_back_and_the_unknown_is_left_out() {
    let (template, records) = (Template::default(), sample::records(500));
    for (line, record) in lines(&template, JsonKeys::Names, &records).iter().zip(&records) {
        let known = template
            .elements()
            .iter()
            .filter_map(|e| Some((e.name.to_owned(), expected((e.read)(record)?, e.data_type))));
        assert_eq!(line, &known.collect::<Map<_, _>>());
    }
}

#[test]
fn numeric_keys_are_ntops() {
    let record = sample::full(1);
    let line = &lines(&Template::default(), JsonKeys::Numbers, std::slice::from_ref(&record))[0];
    assert_eq!(line["8"].as_str().map(str::parse::<IpAddr>), Some(Ok(record.flow.source)));
    assert_eq!(line["57640"], json!(record.source.process.as_ref().unwrap().pid));
    assert_eq!(line["32473.16"], json!("socket-event"));
}

#[test]
fn numeric_keys_may_be_those_of_ipfix() {
    let record = sample::full(1);
    let line = &lines(&Template::default(), JsonKeys::PenNumbers, std::slice::from_ref(&record))[0];
    assert_eq!(line["35632.168"], json!(record.source.process.as_ref().unwrap().pid));
    assert_eq!(line["29305.1"], json!(record.flow.reverse.octets));
    assert_eq!((&line["1"], &line["32473.16"]), (&json!(record.flow.forward.octets), &json!("socket-event")));
}

#[test]
fn numbers_above_two_to_the_53_stay_exact() {
    let mut record = sample::full(1);
    record.flow.forward.octets = u64::MAX;
    let line = &lines(&Template::parse("%IN_BYTES").unwrap(), JsonKeys::Names, &[record])[0];
    assert_eq!(line["IN_BYTES"], json!(u64::MAX));
}

#[test]
fn a_record_without_any_of_the_elements_is_an_empty_object() {
    let line = &lines(&Template::parse("@PROCESS@").unwrap(), JsonKeys::Names, &[sample::record(6)])[0];
    assert!(line.is_empty());
}

#[test]
fn the_time_stands_first_where_it_is_asked_for() {
    let mut record = sample::full(1);
    record.flow.last_ns = 951_782_400_123_000_000;
    let (template, mut out) = (Template::parse("%PROTOCOL").unwrap(), Vec::new());
    JsonEncoder::new(&template, JsonKeys::Numbers, PEN).with_timestamp().encode(&[record], &mut out);
    assert_eq!(out, b"{\"@timestamp\":\"2000-02-29T00:00:00.123Z\",\"@version\":\"1\",\"4\":6}\n");
}
