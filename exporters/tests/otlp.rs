//! OTLP/HTTP against a server that takes every request apart, refuses, puts off, and breaks off.
#![cfg(feature = "otlp")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "common/http.rs"]
mod http;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Reply, Request, Server};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, MetricSource, Mode, Snapshot, sample};
use pidflow_schema::metric::{Family, MetricSample};
use prost::Message;

const TEST_TIMEOUT: Duration = Duration::from_secs(30);
const RECORDS: usize = 100;
const ALL: &str = "signals = [\"logs\", \"metrics\", \"traces\"]\n";

fn exporter(server: &Server, toml: &str) -> ExporterConfig {
    let batch = if toml.contains("batch-records") { "" } else { "batch-records = 40\n" };
    let text = format!("kind = \"otlp\"\nprotocol = \"http/protobuf\"\nurl = \"{}\"\n{batch}{toml}", server.url());
    ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap()
}

/// A counter that is one more each time it is asked for.
fn context(mode: Mode) -> ExportContext {
    let asked = AtomicU64::new(0);
    let families = move || {
        let times = asked.fetch_add(1, Ordering::Relaxed) + 1;
        vec![Family::counter("pidflow.test", "{time}", "Times asked.", MetricSample::alone(times))]
    };
    ExportContext { mode, metrics: Some(MetricSource::new(families)), ..ExportContext::default() }
}

/// Sends the records and waits for the end.
fn run(server: &Server, toml: &str, records: usize) -> Snapshot {
    let set = ExporterSet::start(&[exporter(server, toml)], &context(Mode::Offline)).unwrap();
    set.send(&sample::records(records).into());
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!(end.accepted, end.exported + end.lost_total(), "{end:?}");
    end
}

fn rejected(snapshot: &Snapshot) -> u64 {
    snapshot.lost.iter().find(|(why, _)| *why == Loss::Rejected).unwrap().1
}

fn of<'a>(requests: &'a [Request], path: &str) -> Vec<&'a Request> {
    requests.iter().filter(|r| r.path == path).collect()
}

/// Times of the log records, in order.
fn logs(requests: &[&Request]) -> Vec<i64> {
    let all = requests.iter().map(|r| ExportLogsServiceRequest::decode(r.body.as_slice()).unwrap());
    let records = all.flat_map(|r| r.resource_logs).flat_map(|r| r.scope_logs).flat_map(|s| s.log_records);
    records.map(|r| r.time_unix_nano as i64).collect()
}

fn wanted_logs() -> Vec<i64> {
    sample::records(RECORDS).iter().map(|r| r.flow.last_ns as i64).collect()
}

fn spans(requests: &[&Request]) -> BTreeSet<Vec<u8>> {
    let all = requests.iter().map(|r| ExportTraceServiceRequest::decode(r.body.as_slice()).unwrap());
    let spans = all.flat_map(|r| r.resource_spans).flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
    spans.map(|s| s.span_id).collect()
}

/// The counter's value in each request.
fn counters(requests: &[&Request]) -> Vec<Value> {
    let all = requests.iter().map(|r| ExportMetricsServiceRequest::decode(r.body.as_slice()).unwrap());
    let metrics = all.flat_map(|r| r.resource_metrics).flat_map(|r| r.scope_metrics).flat_map(|s| s.metrics);
    let value = |data| match data {
        Some(Data::Sum(sum)) => sum.data_points[0].value.unwrap(),
        other => panic!("{other:?}"),
    };
    metrics.map(|m| value(m.data)).collect()
}

#[test]
fn all_signals_go_to_their_paths_with_headers_compressed() {
    let server = Server::start(None, |_| Reply::status(200));
    let end = run(&server, &format!("{ALL}headers = {{ api-key = \"k\" }}\n"), RECORDS);
    let requests = server.requests();
    assert_eq!((end.exported, end.errors), (RECORDS as u64, 0));
    assert_eq!(logs(&of(&requests, "/v1/logs")), wanted_logs());
    assert_eq!(spans(&of(&requests, "/v1/traces")).len(), RECORDS);
    assert_eq!(counters(&of(&requests, "/v1/metrics")), [Value::AsInt(1)]);
    assert_eq!(requests.len(), 3 + 3 + 1);
    for request in &requests {
        assert_eq!(request.headers["content-type"], "application/x-protobuf");
        assert_eq!((&*request.headers["content-encoding"], &*request.headers["api-key"]), ("gzip", "k"));
    }
}

#[test]
fn failures_that_pass_are_repeated_and_only_the_request_that_failed() {
    let mut left = [429, 502, 503, 504].into_iter();
    let server = Server::start(None, move |_| match left.next() {
        Some(status) => Reply::Answer(status, vec![("retry-after", "0".into())], vec![]),
        None => Reply::status(200),
    });
    let end = run(&server, "signals = [\"logs\", \"traces\"]\n", RECORDS);
    assert_eq!((end.exported, end.retries, end.lost_total()), (RECORDS as u64, 4, 0));
    let requests = server.requests();
    assert_eq!((of(&requests, "/v1/logs").len(), of(&requests, "/v1/traces").len()), (3 + 4, 3));
}

#[test]
fn a_connection_that_breaks_off_loses_nothing() {
    let mut turn = 0;
    let server = Server::start(Some(0), move |_| {
        turn += 1;
        match turn {
            1 => Reply::Hangup,
            2 => Reply::CutAnswer(vec![0; 100]),
            // No protobuf, and a success anyway.
            _ => Reply::json("{}"),
        }
    });
    let end = run(&server, "", RECORDS);
    assert_eq!((end.exported, end.lost_total(), server.connections()), (RECORDS as u64, 0, 4));
    let arrived: BTreeSet<_> = logs(&of(&server.requests(), "/v1/logs")).into_iter().collect();
    assert_eq!(arrived, wanted_logs().into_iter().collect());
}

#[test]
fn partial_success_is_counted() {
    let server = Server::start(None, |_| {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "too old".into() };
        Reply::Answer(200, vec![], ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec())
    });
    let end = run(&server, "", RECORDS);
    assert_eq!((end.exported, rejected(&end), end.retries), (RECORDS as u64 - 9, 9, 0));
}

#[test]
fn partial_success_of_both_signals_counts_what_neither_brought() {
    let server = Server::start(None, |request| {
        let (rejected, error_message) = (if request.path == "/v1/logs" { 5 } else { 2 }, "too old".to_owned());
        let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message };
        // The same octets for both signals.
        Reply::Answer(200, vec![], ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec())
    });
    let end = run(&server, "signals = [\"logs\", \"traces\"]\n", RECORDS);
    assert_eq!((end.exported, rejected(&end), end.retries), (RECORDS as u64 - 6, 6, 0));
}

#[test]
fn records_that_one_signal_brought_are_exported() {
    // 404: a receiver that has no place for log records.
    for (status, refused) in [(400, "/v1/logs"), (404, "/v1/logs"), (403, "/v1/traces"), (500, "/v1/traces")] {
        let server = Server::start(None, move |r| Reply::status(if r.path == refused { status } else { 200 }));
        let end = run(&server, "signals = [\"logs\", \"traces\"]\n", RECORDS);
        assert_eq!((end.exported, end.lost_total(), end.retries), (RECORDS as u64, 0, 0), "{status}");
        assert_eq!(end.errors, 3, "one of each batch");
        let requests = server.requests();
        assert_eq!((of(&requests, "/v1/logs").len(), of(&requests, "/v1/traces").len()), (3, 3));
    }
}

#[test]
fn records_refused_by_both_signals_are_lost() {
    let server = Server::start(None, |_| Reply::status(400));
    let end = run(&server, "signals = [\"logs\", \"traces\"]\n", RECORDS);
    assert_eq!((end.exported, rejected(&end), end.retries, server.requests().len()), (0, RECORDS as u64, 0, 6));
}

#[test]
fn records_wait_while_all_signals_are_denied() {
    let mut left = [401, 404, 403, 401].into_iter();
    let server = Server::start(None, move |_| Reply::status(left.next().unwrap_or(200)));
    let end = run(&server, "signals = [\"logs\", \"traces\"]\n", RECORDS);
    assert_eq!((end.exported, end.lost_total(), end.retries), (RECORDS as u64, 0, 2));
    let requests = server.requests();
    assert_eq!((of(&requests, "/v1/logs").len(), of(&requests, "/v1/traces").len()), (3 + 2, 3 + 2));
    assert_eq!(spans(&of(&requests, "/v1/traces")).len(), RECORDS);
}

#[test]
fn requests_that_are_too_large_for_the_receiver_are_halved() {
    let server = Server::start(None, |r| Reply::status(if logs(&[r]).len() > 13 { 413 } else { 200 }));
    let end = run(&server, "", RECORDS);
    assert_eq!((end.exported, end.lost_total(), end.retries, end.errors), (RECORDS as u64, 0, 0, 0));
    let server = Server::start(None, |_| Reply::status(413));
    let end = run(&server, "batch-records = 10\n", 10);
    assert_eq!((end.exported, rejected(&end)), (0, 10));
}

#[test]
fn a_pause_of_any_length_that_is_asked_for_harms_nobody() {
    for asked in ["9223372036854775807", "18446744073709551615", "99999999999999999999999", "-1", "x"] {
        let server = Server::start(None, move |r| match r.path.as_str() {
            "/v1/metrics" => Reply::Answer(503, vec![("retry-after", asked.into())], vec![]),
            _ => Reply::status(200),
        });
        let config = exporter(&server, &format!("{ALL}metric-interval-seconds = 1\n"));
        let set = ExporterSet::start(&[config], &context(Mode::Live)).unwrap();
        wait_until(|| !of(&server.requests(), "/v1/metrics").is_empty());
        set.send(&sample::records(10).into());
        wait_until(|| set.counters()[0].exported == 10);
        let end = set.shutdown(TEST_TIMEOUT).remove(0);
        assert_eq!((end.exported, end.lost_total()), (10, 0), "{asked}: {end:?}");
    }
}

fn wait_until(mut there: impl FnMut() -> bool) {
    let end = Instant::now() + TEST_TIMEOUT;
    while !there() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn metrics_that_fail_come_again_before_the_interval_is_over_as_they_are_then() {
    let mut turn = 0;
    let server = Server::start(None, move |_| {
        turn += 1;
        Reply::status(if turn <= 2 { 503 } else { 200 })
    });
    let config = exporter(&server, "signals = [\"metrics\"]\nmetric-interval-seconds = 4\n");
    let (start, set) = (Instant::now(), ExporterSet::start(&[config], &context(Mode::Live)).unwrap());
    wait_until(|| server.requests().len() == 3);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    let requests = server.requests();
    assert_eq!(counters(&of(&requests, "/v1/metrics")), [1, 2, 3].map(Value::AsInt), "never two at once, none twice");
    assert_eq!(set.shutdown(TEST_TIMEOUT).remove(0).errors, 2);
}

#[test]
fn requests_are_no_larger_than_receivers_take() {
    let server = Server::start(None, |_| Reply::status(200));
    let records = 6000;
    let end = run(&server, "batch-records = 100000\ncompression = \"none\"\n", records);
    assert_eq!(end.exported, records as u64);
    let requests = server.requests();
    assert!(requests.len() > 1 && requests.iter().all(|r| r.body.len() <= 3 << 20), "{}", requests.len());
    assert_eq!(logs(&requests.iter().collect::<Vec<_>>()).len(), records);
}

#[test]
fn metrics_come_at_intervals_and_at_the_end_and_have_no_part_in_the_records_account() {
    let mut turn = 0;
    let server = Server::start(None, move |_| {
        turn += 1;
        Reply::status(if turn == 1 { 503 } else { 200 })
    });
    let config = exporter(&server, "signals = [\"metrics\"]\nmetric-interval-seconds = 1\n");
    let set = ExporterSet::start(&[config], &context(Mode::Live)).unwrap();
    set.send(&sample::records(RECORDS).into());
    wait_until(|| server.requests().len() >= 3);
    let snapshot = set.shutdown(TEST_TIMEOUT).remove(0);
    let requests = server.requests();
    let values = counters(&of(&requests, "/v1/metrics"));
    let wanted: Vec<_> = (1..=requests.len() as i64).map(Value::AsInt).collect();
    assert!(values == wanted && values.len() >= 4, "{values:?}");
    assert_eq!((snapshot.accepted, snapshot.exported, snapshot.lost_total()), (0, 0, 0));
    assert_eq!((snapshot.errors, snapshot.messages), (1, requests.len() as u64 - 1));
}
