//! Parquet files as objects of an S3-compatible store. That real readers and an independent check of the signatures agree is tested in
//! `pidflow-tests`, `interop`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "common/http.rs"]
mod http;

use std::sync::Arc;
use std::time::Duration;

use http::{Reply, Server};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, Mode, Snapshot, check, sample};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);

fn config(server: &Server, rest: &str) -> ExporterConfig {
    let table = format!(
        "kind = \"parquet\"\nurl = \"s3://flows/some/prefix/\"\nendpoint = \"{}\"\naccess-key-id = \"id\"\nsecret-access-key = \"hush\"\n{rest}",
        server.url()
    );
    ExporterConfig::from_table(table.parse().unwrap()).unwrap()
}

/// Exports some records until `wait` is over.
fn export(config: ExporterConfig, wait: Duration) -> Snapshot {
    let context = ExportContext { mode: Mode::Offline, host_name: "web".into(), ..ExportContext::default() };
    let set = ExporterSet::start(&[config], &context).unwrap();
    set.send(&Arc::from(sample::records(10)));
    let end = set.shutdown(wait).remove(0);
    assert_eq!(end.accepted, end.exported + end.lost_total(), "{end:?}");
    end
}

fn lost(snapshot: &Snapshot, why: Loss) -> u64 {
    snapshot.lost.iter().find(|(w, _)| *w == why).unwrap().1
}

#[test]
fn a_file_is_one_signed_request() {
    let server = Server::start(None, |_| Reply::status(200));
    let end = export(config(&server, "session-token = \"t/1\""), TEST_TIMEOUT);
    let requests = server.requests();
    assert_eq!((end.exported, end.messages, requests.len()), (10, 1, 1));
    let (path, query) = requests[0].path.split_once('?').unwrap();
    assert!(path.starts_with("/flows/some/prefix/date=") || path.starts_with("/flows/some/prefix/date%3D"), "{path}");
    assert!(path.contains("flows-web-") && path.ends_with(".parquet"), "{path}");
    for part in
        ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=id%2F", "X-Amz-Security-Token=t%2F1", "X-Amz-Signature="]
    {
        assert!(query.contains(part), "{query}");
    }
    assert!(!query.contains("hush"));
    let body = &requests[0].body;
    assert_eq!((&body[..4], &body[body.len() - 4..], body.len() as u64), (&b"PAR1"[..], &b"PAR1"[..], end.octets));
}

#[test]
fn a_store_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let mut answers = [503, 500, 200].into_iter();
    let server = Server::start(None, move |_| Reply::status(answers.next().unwrap_or(400)));
    let end = export(config(&server, ""), TEST_TIMEOUT);
    assert_eq!((end.exported, end.retries, end.errors), (10, 2, 2));
    let bodies: Vec<_> =
        server.requests().into_iter().map(|r| (r.path.split('?').next().unwrap().to_owned(), r.body)).collect();
    assert!(bodies.len() == 3 && bodies.iter().all(|b| *b == bodies[0]), "the same object each time");
    let end = export(config(&server, ""), TEST_TIMEOUT);
    assert_eq!((lost(&end, Loss::Rejected), server.requests().len()), (10, 4));
}

#[test]
fn records_of_a_store_that_cannot_be_reached_are_counted() {
    let server = Server::start(None, |_| Reply::status(503));
    let end = export(config(&server, "give-up-seconds = 1"), TEST_TIMEOUT);
    assert_eq!(lost(&end, Loss::Unreachable), 10);
    let end = export(config(&server, ""), Duration::from_secs(1));
    assert_eq!(lost(&end, Loss::Shutdown), 10);
}

#[test]
fn a_check_connects_to_nothing() {
    let server = Server::start(None, |_| Reply::status(200));
    check(&[config(&server, "")], &ExportContext::default()).unwrap();
    assert_eq!(server.connections(), 0);
}
