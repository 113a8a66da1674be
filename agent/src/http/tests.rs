//! Tests of the pages without a port.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use pidflow_schema::metric::Point;
use pidflow_schema::{FlowRecord, Pod, Process};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::client::Client;
use super::*;
use crate::published::recent::Recent;
use crate::published::recent::cursor::Place;
use crate::published::status::Status;
use crate::published::{MAX_SILENCE, Published};

const LOCAL: &str = "localhost:9435";

fn published(recent_flows: usize) -> Published {
    Published::new("host", 32473, Recent::new(recent_flows, 1 << 30))
}

async fn answer(published: &Published, by_address: bool, request: Request<Body>) -> (StatusCode, String) {
    let access = Arc::new(Access::Open);
    let (budget, turn) = (Budget::new(), Arc::new(Semaphore::new(1)));
    let guard = Guard { access, by_address, budget, turn, counts: Arc::default() };
    let pages = openapi::pages().split_for_parts().0;
    let answer = TowerToHyperService::new(routes(pages, published.clone(), guard)).call(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(published: &Published, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", LOCAL).body(Body::empty()).unwrap();
    let (status, body) = answer(published, true, request).await;
    (status.as_u16(), body)
}

async fn json(published: &Published, path: &str) -> Value {
    let (status, body) = get(published, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// `/livez` and `/readyz`, and what `pidflow_ready` says.
async fn health(published: &Published) -> [(u16, String); 2] {
    let (live, ready) = (get(published, "/livez").await, get(published, "/readyz").await);
    let families = published.families();
    let family = families.iter().find(|f| f.prometheus_name() == "pidflow_ready").unwrap();
    assert_eq!(family.samples[0].point, Point::Whole(u64::from(ready.0 == 200)), "{ready:?}");
    [live, ready]
}

fn ok() -> (u16, String) {
    (200, "ok\n".into())
}

fn status(not_ready: &[&str], degraded: &[&str]) -> Status {
    let owned = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect();
    Status { not_ready: owned(not_ready), degraded: owned(degraded), ..Status::default() }
}

#[tokio::test]
async fn health_says_what_is_wrong_and_when_it_is_over() {
    let published = published(0);
    assert_eq!(health(&published).await, [ok(), (503, "not ready: starting\n".into())]);
    published.publish(status(&[], &[]));
    assert_eq!(health(&published).await, [ok(), ok()]);
    published.publish(status(&[], &["a", "b"]));
    assert_eq!(health(&published).await, [ok(), (200, "ok\ndegraded: a\ndegraded: b\n".into())]);
    published.publish(status(&["no reason"], &["a"]));
    assert_eq!(health(&published).await, [ok(), (503, "not ready: no reason\ndegraded: a\n".into())]);
    published.publish(status(&[], &[]));
    assert_eq!(health(&published).await, [ok(), ok()]);
}

#[tokio::test]
async fn a_pipeline_that_hangs_is_dead_until_it_goes_on() {
    let published = published(0);
    published.publish(status(&[], &["a"]));
    published.age(MAX_SILENCE - Duration::from_secs(1));
    assert_eq!(health(&published).await[0], ok());
    published.age(MAX_SILENCE + Duration::from_millis(2500));
    let said = "the pipeline has been silent for 12 s";
    let dead = (503, format!("dead: {said}\n"));
    assert_eq!(health(&published).await, [dead, (503, format!("not ready: {said}\ndegraded: a\n"))]);
    published.publish(status(&[], &[]));
    assert_eq!(health(&published).await, [ok(), ok()]);
}

#[tokio::test]
async fn an_end_that_takes_long_is_not_dead() {
    let published = published(0);
    published.publish(status(&[], &[]));
    published.stopping("every interface is gone");
    assert_eq!(health(&published).await, [ok(), (503, "not ready: every interface is gone\n".into())]);
}

/// Of a process of this name, in a pod if there is a second one.
fn record(octets: u64, process: &str, pod: Option<(&str, &str)>) -> FlowRecord {
    let mut r = crate::sample::record(1, 443, octets);
    let pod = pod.map(|(namespace, name)| {
        Arc::new(Pod { namespace: namespace.into(), name: name.into(), container: "main".into(), details: None })
    });
    let pid = octets as u32;
    r.source.process = Some(Arc::new(Process { pid, name: process.into(), pod, ..Process::default() }));
    r
}

async fn names(published: &Published, question: &str) -> Vec<String> {
    let page = json(published, &format!("/api/processes?{question}")).await;
    let mut names: Vec<String> = page["processes"].as_array().unwrap().iter().map(|p| p["name"].to_string()).collect();
    let flows = json(published, &format!("/api/flows?{question}")).await;
    let mut of_flows: Vec<_> =
        flows["flows"].as_array().unwrap().iter().map(|f| f["SRC_PROC_NAME"].to_string()).collect();
    names.sort();
    of_flows.sort();
    assert_eq!(names, of_flows, "{question}");
    names
}

#[tokio::test]
async fn pods_and_namespaces_are_found() {
    let published = published(10);
    let records = [
        record(1, "a", Some(("shop", "web-0"))),
        record(2, "b", Some(("shop", "web-1"))),
        record(3, "c", Some(("bank", "web-0"))),
        record(4, "d", None),
    ];
    published.recent.add(&records.into());
    assert_eq!(names(&published, "namespace=shop").await, ["\"a\"", "\"b\""]);
    assert_eq!(names(&published, "pod=web-0").await, ["\"a\"", "\"c\""]);
    assert_eq!(names(&published, "pod=web-0&namespace=bank").await, ["\"c\""]);
    assert_eq!(names(&published, "pod=web-0&namespace=bank&process=a").await, [""; 0]);
    assert_eq!(names(&published, "pod=web").await, [""; 0], "names are given in full");
}

#[tokio::test]
async fn an_expression_selects_and_a_wrong_one_is_explained() {
    let published = published(10);
    let records = [record(1, "a", None), record(2, "b", Some(("shop", "web-0"))), record(3, "c", None)];
    published.recent.add(&records.into());
    let found = async |filter: &str| {
        let page = json(&published, &format!("/api/flows?filter={}", encoded(filter))).await;
        octets(&page)
    };
    assert_eq!(found("process == \"b\"").await, [2]);
    assert_eq!(found("src.pod == null && bytes > 1").await, [3]);
    assert_eq!(found("process in ['a', 'c']").await, [3, 1]);
    let (status, said) = get(&published, &format!("/api/flows?filter={}", encoded("proces == \"b\""))).await;
    assert_eq!((status, said.trim_end()), (422, "filter: column 1: unknown name proces; did you mean process?"));
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Bytes of the flows of a page.
fn octets(page: &Value) -> Vec<u64> {
    page["flows"].as_array().unwrap().iter().map(|f| f["IN_BYTES"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn evictions_between_two_pages_are_reported() {
    let published = published(4);
    let add = |octets, process: &str| published.recent.add(&[record(octets, process, None)].into());
    (1..=4).for_each(|n| add(n, if n == 1 { "other" } else { "mine" }));
    let mine = json(&published, "/api/flows?limit=1&process=mine").await;
    let all = json(&published, "/api/flows?limit=1").await;
    assert_eq!(
        (octets(&mine), octets(&all), &mine["forgotten"], &all["forgotten"]),
        (vec![4], vec![4], &false.into(), &false.into())
    );
    let next = |page: &Value| format!("cursor={}", page["next_cursor"].as_str().unwrap());

    add(5, "mine");
    let mine = json(&published, &format!("/api/flows?limit=1&process=mine&{}", next(&mine))).await;
    assert_eq!((octets(&mine), &mine["forgotten"]), (vec![3], &false.into()), "what was forgotten was not asked for");
    let all = json(&published, &format!("/api/flows?limit=1&{}", next(&all))).await;
    assert_eq!((octets(&all), &all["forgotten"]), (vec![3], &true.into()), "it will be missing");
    let all = json(&published, &format!("/api/flows?limit=1&{}", next(&all))).await;
    assert_eq!((octets(&all), &all["next_cursor"], &all["forgotten"]), (vec![2], &Value::Null, &true.into()));

    (6..=9).for_each(|n| add(n, "mine"));
    let mine = json(&published, &format!("/api/flows?limit=1&process=mine&{}", next(&mine))).await;
    assert_eq!((octets(&mine), &mine["next_cursor"], &mine["forgotten"]), (vec![], &Value::Null, &true.into()));
}

#[tokio::test]
async fn evictions_of_processes_between_two_pages_are_reported() {
    let published = published(1);
    let add = |n| published.recent.add(&[record(n, "p", None)].into());
    (1..=10_001).for_each(add);
    let first = json(&published, "/api/processes?limit=500").await;
    assert_eq!((first["next_cursor"].is_string(), &first["forgotten"]), (true, &false.into()), "that was before");
    let rest = format!("/api/processes?limit=500&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(json(&published, &rest).await["forgotten"], false);
    add(10_002);
    assert_eq!(json(&published, &rest).await["forgotten"], true);
}

/// A lock that a request still held could never be taken here.
#[test]
fn who_asks_does_not_hold_up_the_pipeline() {
    let published = published(10);
    let add = || published.recent.add(&[record(1, "a", None)].into());
    add();
    let (before, records) = (published.status(), published.recent.records());
    published.publish(status(&[], &[]));
    let (found, _) = published.recent.processes(Place::NEWEST, 5, |_| {
        add();
        true
    });
    assert_eq!((found[0].sums.as_source, before.not_ready.len()), (1, 1), "as it was when it was asked for");
    assert_eq!(records.newest_first(Place::NEWEST, |_| true).count(), 1);
    assert_eq!(published.recent.processes(Place::NEWEST, 5, |_| true).0[0].sums.as_source, 2);
}

async fn status_of(by_address: bool, uri: &str, host: Option<&str>) -> u16 {
    let request = Request::get(uri).version(axum::http::Version::HTTP_10);
    let request = host.into_iter().fold(request, |request, host| request.header("host", host));
    let (status, body) = answer(&published(0), by_address, request.body(Body::empty()).unwrap()).await;
    assert!(status != 421 || (body.lines().count() == 1 && body.contains("DNS rebinding")), "{body}");
    status.as_u16()
}

#[tokio::test]
async fn a_web_page_cannot_read_a_port_on_loopback_under_its_own_name() {
    let page = "/api/flows";
    for fine in [
        "localhost",
        "LocalHost:9435",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:9435",
        "[::1]",
        "[::1]:9435",
        "192.0.2.1",
    ] {
        assert_eq!(status_of(true, page, Some(fine)).await, 200, "{fine}");
    }
    for name in [
        "evil.example",
        "evil.example:9435",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "1.evil",
        "",
        "[::1",
        "::1",
        "é",
    ] {
        assert_eq!(status_of(true, page, Some(name)).await, 421, "{name}");
        assert_eq!(status_of(false, page, Some(name)).await, 200, "elsewhere, or with a token: {name}");
        assert_eq!(status_of(true, "/livez", Some(name)).await, 200, "{name}");
    }
    assert_eq!(status_of(true, page, None).await, 200, "no browser's");
    assert_eq!(status_of(true, "http://evil.example/api/flows", Some("localhost")).await, 421);
    assert_eq!(status_of(true, "http://localhost/api/flows", Some("evil.example")).await, 421);
    assert_eq!(status_of(true, "http://localhost/api/flows", Some("localhost")).await, 200);
}

/// The status and the field `Retry-After` of an answer to a client that has used so much CPU time.
async fn paced(path: &str, used: Duration, is_first: bool) -> (u16, Option<String>) {
    let client = Client { is_first, ..Client::new(([192, 0, 2, 1], 9).into(), ([192, 0, 2, 2], 9435).into()) };
    let (budget, turn) = (Budget::new(), Arc::new(Semaphore::new(1)));
    budget.charge(client.group(), used, Instant::now());
    let guard = Guard { access: Arc::new(Access::Open), by_address: false, budget, turn, counts: Arc::default() };
    let request = Request::get(path).header("host", LOCAL).extension(client).body(Body::empty()).unwrap();
    let pages = openapi::pages().split_for_parts().0;
    let answer = TowerToHyperService::new(routes(pages, published(0), guard)).call(request).await.unwrap();
    let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("connection").as_deref(), (answer.status() == 429).then_some("close"), "{path}");
    (answer.status().as_u16(), field("retry-after"))
}

#[tokio::test]
async fn expensive_clients_are_delayed_then_refused_and_health_is_not() {
    let (little, much) = (Duration::from_secs(4), Duration::from_secs(7));
    for path in ["/metrics", "/", "/api/flows", "/nowhere"] {
        assert_ne!(paced(path, little, false).await.0, 429, "{path}");
        let (status, retry) = paced(path, much, true).await;
        // Two seconds too much, at a quarter of a core, of which one second has passed.
        assert_eq!((status, retry.as_deref()), (429, Some("7")), "{path}");
    }
    let begun = Instant::now();
    assert_eq!(paced("/livez", much, true).await.0, 200);
    assert!(begun.elapsed() < limits::MAX_DELAY, "the first question is answered at once");
    assert_eq!(paced("/livez", much, false).await.0, 200);
    assert!(begun.elapsed() >= limits::MAX_DELAY, "those behind it on the same connection wait");
    // A debt that is paid within the delay is no reason to refuse.
    assert_eq!(paced("/metrics", Duration::from_millis(5100), false).await.0, 200);
}

#[tokio::test]
async fn a_port_for_metrics_has_figures_and_health_alone() {
    let (budget, turn) = (Budget::new(), Arc::new(Semaphore::new(1)));
    let guard = Guard { access: Arc::new(Access::Open), by_address: false, budget, turn, counts: Arc::default() };
    let mut found = Vec::new();
    for path in openapi::DOCUMENT.paths.paths.keys() {
        let request = Request::get(path).header("host", LOCAL).body(Body::empty()).unwrap();
        let pages = openapi::metrics_pages().split_for_parts().0;
        let answer = TowerToHyperService::new(routes(pages, published(0), guard.clone())).call(request).await.unwrap();
        if answer.status() != 404 {
            found.push(path.clone());
        }
    }
    assert_eq!(found, ["/livez", "/metrics", "/readyz"]);
}

#[tokio::test]
async fn losses_degrade_and_do_not_make_unready() {
    let published = published(0);
    published.publish(status(&[], &["exporter x: 8,400,000 records lost in the last minute (queue_full)"]));
    let said = "ok\ndegraded: exporter x: 8,400,000 records lost in the last minute (queue_full)\n";
    assert_eq!(health(&published).await, [ok(), (200, said.into())]);
}

#[tokio::test]
async fn nothing_but_reading_is_allowed() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE, Method::PATCH] {
        let request = Request::builder().method(&method).uri("/api/flows").header("host", LOCAL);
        let (status, body) = answer(&published(0), true, request.body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), &*body), (405, "read only: GET or HEAD\n"), "{method}");
    }
    let request = Request::head("/livez").header("host", LOCAL).body(Body::empty()).unwrap();
    assert_eq!(answer(&published(0), true, request).await, (StatusCode::OK, String::new()));
}
