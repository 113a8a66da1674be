//! A subscriber with libzmq that parses ntopng's framing.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;

use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{ExporterSet, Template, sample};
use pidflow_schema::{Enterprise, FlowRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::brokers::config;
use crate::capture;
use crate::expected::Object;
use crate::tools::{self, Running};

/// One message as the subscriber saw it.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    /// Bytes of the header.
    pub(crate) header: usize,
    pub(crate) topic: String,
    pub(crate) version: u8,
    pub(crate) size: usize,
    pub(crate) octets: usize,
    pub(crate) message_id: u32,
    pub(crate) source_id: u32,
    pub(crate) objects: Vec<Object>,
}

/// The messages that a subscriber got from an exporter with these additional keys; asserts that none is missing.
pub(crate) fn exchange(test: &str, keys: Value, records: &[FlowRecord], wanted: &[Object]) -> Option<Vec<Message>> {
    let python = tools::python(test, "zmq")?;
    let url = format!("tcp://127.0.0.1:{}", tools::tcp_port());
    let mut table = json!({ "kind": "zmq", "url": url });
    table.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let set = ExporterSet::start(&[config(table)], &capture::context()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/zmq_subscriber.py");
    let way = if keys["connect"] == true { "bind" } else { "connect" };
    let subscriber =
        Command::new(python).args([script, &url, way]).stdout(File::create(&out).unwrap()).spawn().unwrap();
    let subscriber = Running(subscriber);
    let messages = || read(&std::fs::read_to_string(&out).unwrap());
    // A publisher does not know when a subscriber is ready: until then the test sends single records that are not
    // counted.
    tools::wait_for("the first message", capture::EXPORT_TIMEOUT, || {
        set.send(&Arc::from([sample::full(1_000_000)]));
        !messages().is_empty()
    });
    let before = set.counters()[0].accepted;
    records.chunks(100).for_each(|batch| set.send(&Arc::from(batch)));
    let end = set.shutdown(capture::EXPORT_TIMEOUT).remove(0);
    assert_eq!(end.accepted, before + records.len() as u64);
    let last = || messages().last().and_then(|m| m.objects.last().cloned());
    tools::wait_for("the last record", capture::EXPORT_TIMEOUT, || last().as_ref() == wanted.last());
    drop(subscriber);
    let got = messages();
    assert_complete(&got, wanted);
    Some(got)
}

fn read(lines: &str) -> Vec<Message> {
    lines.split_inclusive('\n').filter_map(|l| serde_json::from_str(l.strip_suffix('\n')?).ok()).collect()
}

/// Asserts that the messages are numbered without a gap, have the right size in their header, and end with all expected
/// records, in order.
fn assert_complete(messages: &[Message], wanted: &[Object]) {
    let first = messages[0].message_id;
    for (message, number) in messages.iter().zip(first..) {
        assert_eq!((message.topic.as_str(), message.message_id, message.size), ("flow", number, message.octets));
    }
    let objects: Vec<_> = messages.iter().flat_map(|m| m.objects.clone()).collect();
    assert_eq!(objects[objects.len() - wanted.len()..], *wanted);
}

/// The records as JSON objects with numbers as keys.
pub(crate) fn numbered(records: &[FlowRecord]) -> Vec<Object> {
    let mut out = Vec::new();
    JsonEncoder::new(&Template::default(), JsonKeys::Numbers, Enterprise::DEFAULT_OWN_PEN).encode(records, &mut out);
    out.split_inclusive(|b| *b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}
