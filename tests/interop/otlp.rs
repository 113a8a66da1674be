//! The receiver of `../shared/tools/otlp_sink.py`, which decodes with the official bindings.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::ExporterConfig;
use pidflow_schema::{DataType, ELEMENTS, Element, FlowRecord};
use serde_json::Value;

use crate::expected::Object;
use crate::tools::Running;
use crate::{capture, tools};

/// The log records that arrived, in order.
pub(crate) fn receive(python: &Path, sink: &Path, fail: usize, records: &[FlowRecord]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let (out, log) = (dir.path().join("out"), dir.path().join("log"));
    let port = tools::tcp_port();
    let child = Command::new(python)
        .arg(sink)
        .args([&port.to_string(), "--fail", &fail.to_string()])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let child = Running(child);
    let said = || std::fs::read_to_string(&log).unwrap();
    tools::wait_for("the receiver's start", Duration::from_secs(20), || said().contains("ready"));
    let end = capture::export(&[ExporterConfig::otlp(&format!("http://127.0.0.1:{port}")).unwrap()], records, 400);
    assert_eq!(end[0].retries, fail as u64);
    drop(child);
    let lines = std::fs::read_to_string(&out).unwrap();
    lines.lines().flat_map(|l| logs(&serde_json::from_str(l).unwrap())).collect()
}

fn logs(line: &Value) -> Vec<Value> {
    let resource = &line["body"]["resourceLogs"][0];
    let about = resource["resource"]["attributes"].as_array().unwrap();
    assert!(about.iter().any(|a| a["key"] == "service.name" && a["value"]["stringValue"] == "pidflow"), "{about:?}");
    assert!(about.iter().any(|a| a["key"] == "host.name" && a["value"]["stringValue"] == "interop"), "{about:?}");
    resource["scopeLogs"][0]["logRecords"].as_array().unwrap().clone()
}

/// protobuf's JSON has 64-bit numbers as strings.
fn attribute<'a>(log: &'a Value, key: &str) -> Option<&'a str> {
    let found = log["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key)?;
    found["value"].as_object().unwrap().values().next().unwrap().as_str()
}

/// Every attribute of the table is there and says what the JSON says, or is absent where the JSON has nothing.
pub(crate) fn assert_log(log: &Value, record: &FlowRecord, object: &Object) {
    assert_eq!(log["timeUnixNano"], record.flow.last_ns.to_string());
    assert_eq!(log["eventName"], "pidflow.flow");
    for e in ELEMENTS.iter().filter(|e| other_family_has_none(e, object)) {
        let Some(key) = e.otel else { continue };
        let wanted = object.get(e.name);
        match (attribute(log, key), wanted) {
            (Some(got), Some(Value::Number(n))) if e.data_type != DataType::DateTimeMilliseconds => {
                assert_eq!(got, n.to_string(), "{key}")
            }
            (Some(got), Some(Value::String(s))) => assert_eq!(got, s, "{key}"),
            (Some(got), Some(_)) => assert!(got.ends_with('Z'), "{key} is {got}"),
            (got, wanted) => assert!(got.is_none() && wanted.is_none(), "{key}: {got:?} and {wanted:?}"),
        }
    }
}

/// IPv4 and IPv6 elements share their attributes: only the one that the record has says what it should be.
fn other_family_has_none(e: &Element, object: &Object) -> bool {
    let twins = ELEMENTS.iter().filter(|o| o.otel == e.otel);
    object.contains_key(e.name) || twins.into_iter().all(|o| !object.contains_key(o.name))
}
