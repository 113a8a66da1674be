//! Exporters to brokers and queues against the real ones: Debian's redis-server and nats-server, libzmq (pyzmq).
//!
//! The records are made up (`pidflow_exporters::sample`), so that these tests need neither root nor traffic.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::expected::Object;
use crate::{capture, expected, nats, redis, tools, zmq};
use pidflow_exporters::{ExporterConfig, ExporterSet, Snapshot, sample};
use pidflow_schema::FlowRecord;
use serde_json::{Value, json};

/// An exporter from a table as the configuration file has it.
pub(crate) fn config(table: Value) -> ExporterConfig {
    serde_json::from_value(table).unwrap()
}

/// The first of each, in order.
fn without_repetitions(objects: Vec<Object>) -> Vec<Object> {
    let mut seen = HashSet::new();
    objects.into_iter().filter(|o| seen.insert(Value::from(o.clone()).to_string())).collect()
}

/// Sends a third, stops the server with `stop`, sends another third, restarts the server with `start` after an attempt
/// has failed, and sends the rest.
fn export_over_a_restart(
    config: ExporterConfig,
    records: &[FlowRecord],
    stop: impl FnOnce(),
    start: impl FnOnce(),
) -> Snapshot {
    let set = ExporterSet::start(&[config], &capture::context()).unwrap();
    let thirds: Vec<_> = records.chunks(records.len().div_ceil(3)).collect();
    let send = |part: &[FlowRecord]| part.chunks(100).for_each(|batch| set.send(&Arc::from(batch)));
    let now = || set.counters().remove(0);
    send(thirds[0]);
    tools::wait_for("the first third", capture::EXPORT_TIMEOUT, || now().exported == thirds[0].len() as u64);
    stop();
    send(thirds[1]);
    tools::wait_for("an error", capture::EXPORT_TIMEOUT, || now().errors > 0);
    start();
    send(thirds[2]);
    let end = set.shutdown(capture::EXPORT_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (records.len() as u64, 0), "{end:?}");
    end
}

/// Exports one record that cannot be delivered, with a short limit.
fn refused(config: ExporterConfig) -> Snapshot {
    let set = ExporterSet::start(&[config], &capture::context()).unwrap();
    set.send(&Arc::from(sample::records(1)));
    tools::wait_for("an error", capture::EXPORT_TIMEOUT, || set.counters()[0].errors > 0);
    let end = set.shutdown(Duration::ZERO).remove(0);
    assert_eq!((end.exported, end.lost_total()), (0, 1), "{end:?}");
    end
}

#[test]
fn a_redis_list_holds_every_record_as_json() {
    let Some(server) = redis::Server::start("a_redis_list_holds_every_record_as_json", &["--requirepass", "hush"])
    else {
        return;
    };
    let url = format!("redis://127.0.0.1:{}/3", server.port);
    let records = sample::records(1500);
    let table = json!({ "kind": "redis", "url": url, "key": "flows", "user": "default", "password": "hush" });
    capture::export(&[config(table)], &records, 400);
    assert_eq!(server.list(&["-a", "hush", "-n", "3"], "flows"), expected::objects(&records));
    refused(config(json!({ "kind": "redis", "url": url, "password": "wrong" })));
}

#[test]
fn a_bounded_redis_list_keeps_the_newest() {
    let Some(server) = redis::Server::start("a_bounded_redis_list_keeps_the_newest", &[]) else {
        return;
    };
    let url = format!("redis://127.0.0.1:{}", server.port);
    let records = sample::records(1000);
    capture::export(&[config(json!({ "kind": "redis", "url": url, "max-length": 300 }))], &records, 100);
    assert_eq!(server.list(&[], "pidflow.flows"), expected::objects(&records[700..]));
}

#[test]
fn redis_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&pem, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let Some(server) = redis::Server::start_with_tls("redis_over_tls", &pem, &key) else {
        return;
    };
    let records = sample::records(700);
    let url = format!("rediss://localhost:{}", server.tls_port);
    let table = json!({ "kind": "redis", "url": url, "tls-ca": pem });
    capture::export(&[config(table)], &records, 100);
    assert_eq!(server.list(&[], "pidflow.flows"), expected::objects(&records));
    refused(config(json!({ "kind": "redis", "url": url, "tls-ca": pem, "tls-server-name": "other.example" })));
}

#[test]
fn redis_is_killed_and_comes_back() {
    let Some(server) = redis::Server::start("redis_is_killed_and_comes_back", &[]) else {
        return;
    };
    let server = std::cell::RefCell::new(server);
    let records = sample::records(3000);
    let table = json!({ "kind": "redis", "url": format!("redis://127.0.0.1:{}", server.borrow().port) });
    let end = export_over_a_restart(
        config(table),
        &records,
        || server.borrow_mut().kill(),
        || server.borrow_mut().start_again(),
    );
    assert!(end.retries > 0, "{end:?}");
    let got = without_repetitions(server.borrow().list(&[], "pidflow.flows"));
    assert_eq!(got, expected::objects(&records));
}

#[test]
fn a_nats_subscriber_gets_every_record_as_json() {
    let test = "a_nats_subscriber_gets_every_record_as_json";
    let Some(server) = nats::Server::start(test, "authorization { token: hush }") else {
        return;
    };
    let records = sample::records(1500);
    let subscriber = server.subscriber("hush@", "pidflow.flows", records.len());
    let url = format!("nats://127.0.0.1:{}", server.port);
    capture::export(&[config(json!({ "kind": "nats", "url": url, "token": "hush" }))], &records, 400);
    assert_eq!(subscriber.finish(), expected::objects(&records));
    refused(config(json!({ "kind": "nats", "url": url, "token": "wrong" })));
}

/// Each flow is seen by two hosts, and the server divides the flows.
#[test]
fn nats_keeps_the_records_of_one_flow_together() {
    let mapping = r#"mappings: { "flows.*": "part.{{partition(3,1)}}.{{wildcard(1)}}" }"#;
    let Some(server) = nats::Server::start("nats_keeps_the_records_of_one_flow_together", mapping) else { return };
    let flows = sample::records(40);
    let records = [&flows[..], &flows[..]].concat();
    let objects = expected::objects(&records);
    let key = objects[7]["FLOW_KEY"].as_str().unwrap();
    let with_key: Vec<_> = objects.iter().filter(|o| o["FLOW_KEY"] == key).cloned().collect();
    assert!(with_key.len() > 1 && with_key.len() < objects.len());
    let url = format!("nats://127.0.0.1:{}", server.port);
    for (subject, expected) in [(format!("part.*.{key}"), with_key), ("part.*.*".to_owned(), objects.clone())] {
        let subscriber = server.subscriber("", &subject, expected.len());
        capture::export(&[config(json!({ "kind": "nats", "url": url, "subject": "flows.{FLOW_KEY}" }))], &records, 30);
        assert_eq!(subscriber.finish(), expected, "{subject}");
    }
}

#[test]
fn nats_over_tls_with_user_password_and_certificate() {
    let test = "nats_over_tls_with_user_password_and_certificate";
    let users = "authorization { users: [{ user: me, password: hush }] }";
    let Some(server) = nats::Server::start_with_tls(test, users) else {
        return;
    };
    let records = sample::records(700);
    let subscriber = server.subscriber("me:hush@", "pidflow.flows", records.len());
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| server.file(name));
    let table = |password: &str| {
        json!({ "kind": "nats", "url": format!("tls://localhost:{}", server.port), "user": "me", "password": password,
            "tls-ca": ca, "tls-cert": cert, "tls-key": key })
    };
    capture::export(&[config(table("hush"))], &records, 100);
    assert_eq!(subscriber.finish(), expected::objects(&records));
    refused(config(table("wrong")));
    // The cases: a server whose authority the client does not know, and a client without a certificate.
    for missing in [&["tls-ca"][..], &["tls-cert", "tls-key"]] {
        let mut other = table("hush");
        missing.iter().for_each(|key| _ = other.as_object_mut().unwrap().remove(*key));
        refused(config(other));
    }
}

#[test]
fn a_nats_server_that_refuses_the_subject_is_reported() {
    let test = "a_nats_server_that_refuses_the_subject_is_reported";
    let rights = "publish: [\"other\", \"_INBOX.>\"], subscribe: \"_INBOX.>\"";
    let users = format!("authorization {{ users: [{{ user: u, password: p, permissions: {{ {rights} }} }}] }}");
    let Some(server) = nats::Server::start(test, &users) else {
        return;
    };
    let url = format!("nats://127.0.0.1:{}", server.port);
    refused(config(json!({ "kind": "nats", "url": url, "user": "u", "password": "p" })));
}

#[test]
fn a_nats_stream_has_everything_after_a_restart() {
    let Some(server) = nats::Server::start("a_nats_stream_has_everything_after_a_restart", "") else {
        return;
    };
    server.create_stream("FLOWS", "flows.test");
    let server = std::cell::RefCell::new(server);
    let records = sample::records(3000);
    let url = format!("nats://127.0.0.1:{}", server.borrow().port);
    let table = json!({ "kind": "nats", "url": url, "subject": "flows.test", "jetstream": true });
    export_over_a_restart(config(table), &records, || server.borrow_mut().stop(), || server.borrow_mut().start_again());
    let got = without_repetitions(server.borrow().read_stream("flows.test"));
    assert_eq!(got, expected::objects(&records));
}

#[test]
fn a_zmq_subscriber_reads_ntopngs_framing() {
    let (test, records) = ("a_zmq_subscriber_reads_ntopngs_framing", sample::records(1500));
    let Some(got) = zmq::exchange(test, json!({ "source-id": 7 }), &records, &zmq::numbered(&records)) else {
        return;
    };
    assert!(got.iter().all(|m| (m.header, m.version, m.source_id) == (24, 2, 7) && m.objects.len() == 1));
}

#[test]
fn a_zmq_subscriber_reads_arrays_with_the_wide_header() {
    let (test, records) = ("a_zmq_subscriber_reads_arrays_with_the_wide_header", sample::records(1500));
    let keys = json!({ "header": 2, "source-id": 70_000, "records-per-message": 50, "keys": "names" });
    let Some(got) = zmq::exchange(test, keys, &records, &expected::objects(&records)) else {
        return;
    };
    assert!(got.iter().all(|m| (m.header, m.version, m.source_id) == (28, 2, 70_000)));
    assert!(got.iter().any(|m| m.objects.len() > 1));
}

#[test]
fn a_zmq_subscriber_that_listens_is_connected_to() {
    let (test, records) = ("a_zmq_subscriber_that_listens_is_connected_to", sample::records(500));
    zmq::exchange(test, json!({ "connect": true }), &records, &zmq::numbered(&records));
}

#[test]
fn without_a_zmq_subscriber_records_are_counted_as_lost() {
    let port = tools::tcp_port();
    let set = ExporterSet::start(
        &[config(json!({ "kind": "zmq", "url": format!("tcp://127.0.0.1:{port}") }))],
        &capture::context(),
    );
    let set = set.unwrap();
    set.send(&Arc::from(sample::records(50)));
    let end = set.shutdown(capture::EXPORT_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (0, 50), "{end:?}");
}
