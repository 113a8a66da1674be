//! python-ipfix over TCP.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::{ExporterConfig, Template, WireVersion};
use pidflow_schema::table::{PROCESS_MACRO, by_name};
use pidflow_schema::{DataType, Element, Enterprise, FlowRecord};
use serde_json::Value;

use crate::expected::{self, Object};
use crate::tools::Running;
use crate::{capture, tools};

/// One JSON object per record that it read.
pub(crate) fn receive(python: &Path, sink: &Path, records: &[FlowRecord]) -> Vec<Value> {
    receive_from(python, sink, |port| {
        let config = ExporterConfig::collector(&format!("tcp://127.0.0.1:{port}"), WireVersion::Ipfix).unwrap();
        capture::export(&[config], records, 100);
    })
}

/// The records that arrive while `send` sends to the port.
pub(crate) fn receive_from(python: &Path, sink: &Path, send: impl FnOnce(u16)) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let (out, log) = (dir.path().join("out"), dir.path().join("log"));
    let port = tools::tcp_port();
    let child = Command::new(python)
        .arg(sink)
        .args([&port.to_string(), "5"])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let said = || std::fs::read_to_string(&log).unwrap();
    tools::wait_for("the receiver's start", Duration::from_secs(20), || said().contains("ready"));
    send(port);
    tools::wait_for("the receiver's end", Duration::from_secs(30), || child.0.try_wait().unwrap().is_some());
    assert_eq!(said().trim(), "ready");
    std::fs::read_to_string(&out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Asserts that the row's process elements and addresses equal the record's.
pub(crate) fn assert_row(row: &Value, object: &Object) {
    let port = |name: &str, key: &str| assert_eq!(row[name], object[key], "{row}");
    port("sourceTransportPort", "L4_SRC_PORT");
    port("octetDeltaCount", "IN_BYTES");
    for e in PROCESS_MACRO.iter().filter_map(|n| by_name(n)).filter(|e| object.contains_key(e.name)) {
        let wanted = match e.data_type {
            DataType::String => Value::from(expected::text(e, object, WireVersion::Ipfix)),
            _ => Value::from(expected::number(e, object, WireVersion::Ipfix)),
        };
        assert_eq!(row[e.name], wanted, "{} in {row}", e.name);
    }
}

/// Asserts that the row's IANA elements equal the record's, except times and MAC addresses, which python-ipfix formats
/// differently.
pub(crate) fn assert_standard(row: &Value, object: &Object) {
    let (template, groups) = (Template::for_collectors(), expected::groups(object));
    let other = [DataType::DateTimeSeconds, DataType::DateTimeMilliseconds, DataType::MacAddress];
    let is_plain = |e: &Element| e.enterprise == Enterprise::Iana && !other.contains(&e.data_type);
    let is_standard = |e: &&&Element| is_plain(e) && groups.contains(e.group);
    for e in template.elements().iter().filter(is_standard) {
        let got = &row[e.ipfix_name];
        let shown = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
        let wanted = object[e.name].as_str().map_or_else(|| object[e.name].to_string(), str::to_owned);
        assert_eq!(shown, wanted, "{} in {row}", e.name);
    }
}
