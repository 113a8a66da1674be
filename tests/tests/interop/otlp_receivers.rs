//! OTLP against the official bindings, rotel and nginx: all three signals, over gRPC and HTTP.

use std::collections::BTreeSet;

use crate::{capture, expected, front, nginx, otlp, rotel, tools};
use pidflow_exporters::config::{OtlpProtocol, Signal};
use pidflow_exporters::{ExporterConfig, ExporterSet, sample};
use pidflow_schema::FlowRecord;

/// Asserts that every record arrived once as a log record and once as a span, and every metric.
fn assert_otlp(sink: &otlp::Sink, protocol: OtlpProtocol, records: &[FlowRecord]) {
    let (logs, spans) = (sink.logs(protocol), sink.spans(protocol));
    assert_eq!((logs.len(), spans.len()), (records.len(), records.len()));
    let ids: BTreeSet<_> = spans.iter().map(|s| s["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), records.len());
    for (n, (record, object)) in records.iter().zip(expected::objects(records)).enumerate() {
        otlp::assert_log(&logs[n], record, &object);
        otlp::assert_span(&spans[n], record, &object);
    }
    otlp::assert_metrics(&sink.metrics(protocol));
}

#[test]
fn otlp_logs_spans_and_metrics_say_what_json_says() {
    let Some((python, sink)) = otlp::tools("otlp_logs_spans_and_metrics_say_what_json_says") else {
        return;
    };
    let (records, sink) = (sample::records(1200), otlp::Sink::start(&python, &sink, 0));
    for protocol in otlp::PROTOCOLS {
        let url = format!("http://127.0.0.1:{}", sink.port(protocol));
        let end = otlp::export(otlp::exporter(&url, protocol, &Signal::ALL), &records);
        assert_eq!((end.errors, end.retries), (0, 0));
        assert_otlp(&sink, protocol, &records);
    }
}

#[test]
fn otlp_loses_and_doubles_nothing_with_a_receiver_that_fails_at_first() {
    let Some((python, sink)) = otlp::tools("otlp_loses_and_doubles_nothing_with_a_receiver_that_fails_at_first") else {
        return;
    };
    // The receiver itself can fail over gRPC only.
    for (protocol, fail, broken) in [(OtlpProtocol::Grpc, 2, 1), (OtlpProtocol::Http, 0, 3)] {
        let (records, sink) = (sample::records(1200), otlp::Sink::start(&python, &sink, fail));
        let url = format!("http://127.0.0.1:{}", front::bad_connection(sink.port(protocol), broken));
        let end = otlp::export(otlp::exporter(&url, protocol, &Signal::ALL), &records);
        assert_eq!(end.retries, (fail + broken) as u64, "{end:?}");
        assert_otlp(&sink, protocol, &records);
    }
}

#[test]
fn otlp_counts_what_a_receiver_takes_in_part_over_grpc() {
    let Some((python, _)) = otlp::tools("otlp_counts_what_a_receiver_takes_in_part_over_grpc") else {
        return;
    };
    let sink = otlp::Sink::partial(&python);
    let url = format!("http://127.0.0.1:{}", sink.port(OtlpProtocol::Grpc));
    // Of one request: each signal has rejected items; with all signals a record is lost only if both rejected it, and
    // metrics do not count.
    for (signals, lost, errors) in [
        (&[Signal::Logs][..], 3, 0),
        (&[Signal::Traces], 2, 0),
        (&[Signal::Logs, Signal::Traces, Signal::Metrics], 2, 1),
    ] {
        let end = otlp::try_export(otlp::exporter(&url, OtlpProtocol::Grpc, signals), &sample::records(100));
        assert_eq!((end.exported, end.lost_total(), end.retries), (100 - lost, lost, 0), "{end:?}");
        assert_eq!(end.errors, errors, "{end:?}");
    }
}

#[test]
fn otlp_over_tls_with_a_client_certificate_arrives() {
    let test = "otlp_over_tls_with_a_client_certificate_arrives";
    let Some((python, sink)) = otlp::tools(test) else {
        return;
    };
    if !tools::programs(test, &["nginx"]) {
        return;
    }
    let (records, sink, dir) =
        (sample::records(600), otlp::Sink::start(&python, &sink, 0), tempfile::tempdir().unwrap());
    nginx::certificates(dir.path());
    for (protocol, name) in [(OtlpProtocol::Grpc, "grpc"), (OtlpProtocol::Http, "http/protobuf")] {
        let server = ([127, 0, 0, 1], sink.port(protocol)).into();
        let start = if protocol == OtlpProtocol::Grpc { nginx::start_grpc } else { nginx::start };
        let (_nginx, port) = start(dir.path(), server);
        let exporter = |host: &str, ca: &str, client: bool, more: &str| {
            let pem = |key: &str, file: &str| format!("{key} = \"{}/{file}\"\n", dir.path().display());
            let identity =
                if client { pem("tls-cert", "client.pem") + &pem("tls-key", "client.key") } else { String::new() };
            let text = format!(
                "kind = \"otlp\"\nprotocol = \"{name}\"\nurl = \"https://{host}:{port}\"\ngive-up-seconds = 1\n\
                 signals = [\"logs\", \"metrics\", \"traces\"]\n{more}{}{identity}",
                pem("tls-ca", ca)
            );
            ExporterConfig::from_table(toml::from_str(&text).unwrap()).unwrap()
        };
        otlp::export(exporter("localhost", "ca.pem", true, ""), &records);
        assert_otlp(&sink, protocol, &records);
        // The cases: no client certificate, a name that is not in the server's certificate, and an authority that did
        // not sign it.
        for config in [
            exporter("localhost", "ca.pem", false, ""),
            exporter("127.0.0.1", "ca.pem", true, ""),
            exporter("localhost", "other.pem", true, ""),
        ] {
            let set = ExporterSet::start(&[config], &capture::context()).unwrap();
            set.send(&sample::records(10).into());
            assert_eq!(set.shutdown(capture::EXPORT_TIMEOUT)[0].lost_total(), 10);
        }
        assert_eq!(sink.logs(protocol).len(), records.len());
        otlp::export(exporter("localhost", "other.pem", true, "tls-insecure = true\n"), &records);
        if protocol == OtlpProtocol::Grpc {
            otlp::export(exporter("127.0.0.1", "ca.pem", true, "tls-server-name = \"localhost\"\n"), &records);
        }
    }
}

#[test]
fn rotel_prints_every_log_record_span_and_metric() {
    let Some(python) = tools::python("rotel_prints_every_log_record_span_and_metric", "rotel") else {
        return;
    };
    let records = sample::records(300);
    for protocol in otlp::PROTOCOLS {
        let rotel = rotel::Rotel::start(&python);
        otlp::export(otlp::exporter(&rotel.url(protocol), protocol, &Signal::ALL), &records);
        let printed = rotel.printed(records.len());
        for (attribute, element) in
            [("source.process.pid", "SRC_PROC_PID"), ("destination.process.pid", "DST_PROC_PID")]
        {
            let start = format!("-> {attribute}: Int(");
            let lines = printed.lines().filter_map(|l| l.trim().strip_prefix(&start));
            let mut got: Vec<_> = lines.map(|l| l.trim_end_matches(')').to_owned()).collect();
            // Each record appears once in a log record and once in a span.
            let objects = expected::objects(&records).into_iter().chain(expected::objects(&records));
            let mut wanted: Vec<_> = objects.filter_map(|o| Some(o.get(element)?.to_string())).collect();
            got.sort();
            wanted.sort();
            assert_eq!(got, wanted);
        }
        for family in otlp::families() {
            assert!(printed.contains(&format!("-> Name: {}\n", family.name)), "{}", family.name);
        }
    }
}
