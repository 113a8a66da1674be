//! The receiver of `../shared/tools/otlp_sink.py`, which decodes with the official bindings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::config::{OtlpConfig, OtlpProtocol, Signal};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, MetricSource, Mode, Output, Snapshot};
use pidflow_schema::metric::{Family, Histogram, MetricSample, Point};
use pidflow_schema::{DataType, ELEMENTS, Element, FlowRecord};
use serde_json::Value;

use crate::expected::Object;
use crate::tools::Running;
use crate::{capture, tools};

/// Both transports.
pub(crate) const PROTOCOLS: [OtlpProtocol; 2] = [OtlpProtocol::Grpc, OtlpProtocol::Http];

/// The running program.
pub(crate) struct Sink {
    port: u16,
    dir: tempfile::TempDir,
    _child: Running,
}

impl Sink {
    /// Refuses the first `fail` requests over gRPC.
    pub(crate) fn start(python: &Path, sink: &Path, fail: usize) -> Self {
        Self::run(python, sink, &["--fail", &fail.to_string()])
    }

    /// Starts a receiver that accepts requests over gRPC and rejects 3 log records, 2 spans and a data point of each.
    pub(crate) fn partial(python: &Path) -> Self {
        Self::run(python, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/otlp_partial.py")), &[])
    }

    fn run(python: &Path, program: &Path, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let port = pair_of_ports();
        let child = Command::new(python)
            .arg(program)
            .arg(port.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(dir.path().join("out")).unwrap())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let child = Running(child);
        let said = || std::fs::read_to_string(&log).unwrap();
        tools::wait_for("the receiver's start", Duration::from_secs(60), || said().contains("ready"));
        Self { port, dir, _child: child }
    }

    /// Where it listens.
    pub(crate) fn port(&self, protocol: OtlpProtocol) -> u16 {
        self.port + u16::from(protocol == OtlpProtocol::Http)
    }

    /// The requests of a signal that it has accepted, in order.
    pub(crate) fn taken(&self, signal: Signal, protocol: OtlpProtocol) -> Vec<Value> {
        let via = if protocol == OtlpProtocol::Grpc { "grpc" } else { "http" };
        let text = std::fs::read_to_string(self.dir.path().join("out")).unwrap();
        let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        let mine = lines.filter(|l| l["signal"] == signal.name() && l["via"] == via);
        mine.map(|mut l| l["body"].take()).collect()
    }

    /// The log records that it has accepted, in order.
    pub(crate) fn logs(&self, protocol: OtlpProtocol) -> Vec<Value> {
        items(&self.taken(Signal::Logs, protocol), ["resourceLogs", "scopeLogs", "logRecords"])
    }

    /// The spans that it has accepted, in order.
    pub(crate) fn spans(&self, protocol: OtlpProtocol) -> Vec<Value> {
        items(&self.taken(Signal::Traces, protocol), ["resourceSpans", "scopeSpans", "spans"])
    }

    /// The metrics that it has accepted, in order.
    pub(crate) fn metrics(&self, protocol: OtlpProtocol) -> Vec<Value> {
        items(&self.taken(Signal::Metrics, protocol), ["resourceMetrics", "scopeMetrics", "metrics"])
    }
}

/// A free port whose next port is free too.
fn pair_of_ports() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok();
    std::iter::repeat_with(tools::tcp_port).take(100).filter(|p| *p < u16::MAX).find(free).unwrap()
}

/// All items in the requests, each of which must have the resource that sent it.
fn items(requests: &[Value], [resources, scopes, items]: [&str; 3]) -> Vec<Value> {
    let each = |request: &Value| {
        let resource = &request[resources][0];
        let about = resource["resource"]["attributes"].as_array().unwrap();
        for (key, value) in [("service.name", "pidflow"), ("host.name", "interop")] {
            assert!(about.iter().any(|a| a["key"] == key && a["value"]["stringValue"] == value), "{about:?}");
        }
        resource[scopes][0][items].as_array().unwrap().clone()
    };
    requests.iter().flat_map(each).collect()
}

/// An exporter of the signals.
pub(crate) fn exporter(url: &str, protocol: OtlpProtocol, signals: &[Signal]) -> ExporterConfig {
    let signals = signals.iter().copied().collect();
    Output::Otlp(OtlpConfig { protocol, signals, ..OtlpConfig::new(url).unwrap() }).into()
}

/// One family of each kind.
pub(crate) fn families() -> Vec<Family> {
    let edge = |id: &str, n| MetricSample::new([("pidflow.test.edge", id.to_owned())], Point::Whole(n));
    let times = Histogram { bounds: &[0.1, 1.0], counts: vec![1, 2, 3], sum: 9.5 };
    vec![
        Family::counter("pidflow.test.bytes", "By", "Octets.", vec![edge("a", 1), edge("b", 1 << 40)]),
        Family::gauge("pidflow.test.load", "1", "Load.", vec![MetricSample::new([], Point::Real(0.25))]),
        Family::info("pidflow.test.info", "Info.", vec![edge("a", 1)]),
        Family::histogram("pidflow.test.duration", "s", "Time.", vec![MetricSample::new([], Point::Histogram(times))]),
    ]
}

/// As [`capture::export`], with metrics.
pub(crate) fn export(config: ExporterConfig, records: &[FlowRecord]) -> Snapshot {
    let end = try_export(config, records);
    assert_eq!((end.exported, end.lost_total()), (records.len() as u64, 0), "{end:?}");
    end
}

/// As [`export`], without asserting that the records are exported.
pub(crate) fn try_export(config: ExporterConfig, records: &[FlowRecord]) -> Snapshot {
    let context = ExportContext { metrics: Some(MetricSource::new(families)), ..capture::context() };
    assert_eq!(context.mode, Mode::Offline);
    let set = ExporterSet::start(&[config], &context).unwrap();
    for part in records.chunks(400) {
        set.send(&part.to_vec().into());
    }
    set.shutdown(capture::EXPORT_TIMEOUT).remove(0)
}

/// The value of an attribute; protobuf's JSON has 64-bit numbers as strings.
fn attribute<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    let found = item["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key)?;
    found["value"].as_object().unwrap().values().next().unwrap().as_str()
}

/// Asserts that the log record equals the JSON.
pub(crate) fn assert_log(log: &Value, record: &FlowRecord, object: &Object) {
    assert_eq!(log["timeUnixNano"], record.flow.last_ns.to_string());
    assert_eq!(log["eventName"], "pidflow.flow");
    assert_attributes(log, object);
}

/// Asserts that the span equals the JSON.
pub(crate) fn assert_span(span: &Value, record: &FlowRecord, object: &Object) {
    assert_eq!(span["startTimeUnixNano"], record.flow.first_ns.to_string());
    assert_eq!(span["endTimeUnixNano"], record.flow.last_ns.to_string());
    assert_eq!(span["status"]["code"] == "STATUS_CODE_ERROR", record.connect_error.is_some(), "{span}");
    assert!(
        ["SPAN_KIND_CLIENT", "SPAN_KIND_SERVER", "SPAN_KIND_INTERNAL"].iter().any(|k| span["kind"] == *k),
        "{span}"
    );
    assert_attributes(span, object);
}

/// Asserts that each kind of family has its OpenTelemetry data type, is cumulative, and has the right numbers.
pub(crate) fn assert_metrics(metrics: &[Value]) {
    let names: Vec<_> = metrics.iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, families().iter().map(|f| f.name.to_owned()).collect::<Vec<_>>());
    let (bytes, load, info, duration) =
        (&metrics[0]["sum"], &metrics[1]["gauge"], &metrics[2]["sum"], &metrics[3]["histogram"]);
    for cumulative in [bytes, info, duration] {
        assert_eq!(cumulative["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE", "{cumulative}");
        assert!(cumulative["dataPoints"][0]["startTimeUnixNano"].is_string(), "{cumulative}");
    }
    assert_eq!((&bytes["isMonotonic"], &info["isMonotonic"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(bytes["dataPoints"][1]["asInt"], (1_u64 << 40).to_string());
    assert_eq!(attribute(&bytes["dataPoints"][1], "pidflow.test.edge"), Some("b"));
    assert_eq!(load["dataPoints"][0]["asDouble"], 0.25);
    assert_eq!(duration["dataPoints"][0]["bucketCounts"], serde_json::json!(["1", "2", "3"]));
    assert_eq!(metrics[0]["unit"], "By");
}

/// Asserts that every attribute of the table equals the JSON, or is absent where the JSON has no value, and that every
/// other attribute is one of the two that the conventions define values for.
fn assert_attributes(item: &Value, object: &Object) {
    let table: BTreeSet<_> =
        ELEMENTS.iter().filter_map(|e| e.otel).chain(["network.transport", "network.type"]).collect();
    let keys: Vec<_> = item["attributes"].as_array().unwrap().iter().map(|a| a["key"].as_str().unwrap()).collect();
    assert!(keys.iter().all(|k| table.contains(k)), "{keys:?}");
    for e in ELEMENTS.iter().filter(|e| other_family_has_none(e, object)) {
        let Some(key) = e.otel else { continue };
        let wanted = object.get(e.name);
        match (attribute(item, key), wanted) {
            (Some(got), Some(Value::Number(n))) if e.data_type != DataType::DateTimeMilliseconds => {
                assert_eq!(got, n.to_string(), "{key}")
            }
            (Some(got), Some(Value::String(s))) => assert_eq!(got, s, "{key}"),
            (Some(got), Some(_)) => assert!(got.ends_with('Z'), "{key} is {got}"),
            (got, wanted) => assert!(got.is_none() && wanted.is_none(), "{key}: {got:?} and {wanted:?}"),
        }
    }
}

/// IPv4 and IPv6 elements share their attributes: only the element that the record has determines the value.
fn other_family_has_none(e: &Element, object: &Object) -> bool {
    let twins = ELEMENTS.iter().filter(|o| o.otel == e.otel);
    object.contains_key(e.name) || twins.into_iter().all(|o| !object.contains_key(o.name))
}

/// The program and its Python; returns none and reports a skip where they are absent.
pub(crate) fn tools(test: &str) -> Option<(PathBuf, PathBuf)> {
    let sink = tools::shared(test, "otlp_sink.py")?;
    let python = tools::python(test, "opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc")?;
    Some((python, sink))
}
