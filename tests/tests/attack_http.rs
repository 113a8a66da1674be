//! Odd requests: no way of writing a path, a method or a header opens what is closed, and every `Accept` gets a format that it
//! allows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use pidflow_tests::serving::Serving;
use pidflow_tests::skip;

/// Some user who is neither root nor the agent's.
const STRANGER: u32 = 4321;
/// Ways to write the path of records.
const TARGETS: [&str; 16] = [
    "/api/flows/",
    "//api/flows",
    "/api//flows",
    "/api/%66lows",
    "/%61pi/flows",
    "/api/flows?limit=1",
    "/api/flows%00",
    "/API/flows",
    "/./api/flows",
    "/metrics/../api/flows",
    "/metrics/%2e%2e/api/flows",
    "/livez/../api/processes",
    "/api/flows;x",
    "/metrics/api/flows",
    "http://127.0.0.1/api/flows",
    "*",
];
const METHODS: [&str; 7] = ["OPTIONS", "POST", "PUT", "TRACE", "PROPFIND", "get", "CONNECT"];
const HEADERS: [&str; 8] = [
    "X-Forwarded-For: 127.0.0.1",
    "Forwarded: for=127.0.0.1",
    "X-Original-URL: /api/flows",
    "X-HTTP-Method-Override: GET",
    "Authorization: Bearer",
    "Authorization: Basic Og==",
    "Accept: text/event-stream",
    "Upgrade: websocket",
];

/// The status that a stranger gets.
fn status(agent: &Serving, arguments: &[&str]) -> u16 {
    let url = format!("http://{}/api/flows", agent.address);
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "--max-time", "20", "-w", "%{http_code}"]).args(arguments).arg(url);
    let output = curl.uid(STRANGER).gid(STRANGER).output().unwrap();
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

#[test]
fn no_request_opens_what_is_closed() {
    if skip::without_root("no_request_opens_what_is_closed") {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        return skip::skip("no_request_opens_what_is_closed", "curl is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &["--probes", "poll"]).unwrap();
    for target in TARGETS {
        for more in [&[][..], &["--head"]] {
            let status = status(&agent, &[&["--request-target", target], more].concat());
            assert!((400..500).contains(&status), "{target} {more:?}: {status}");
        }
    }
    for method in METHODS {
        let status = status(&agent, &["--request", method]);
        assert!((400..500).contains(&status), "{method}: {status}");
    }
    for header in HEADERS {
        assert_eq!(status(&agent, &["--header", header]), 403, "{header}");
    }
    agent.stop().unwrap();
}

#[test]
fn every_accept_gets_a_format_that_it_allows() {
    if skip::without_root("every_accept_gets_a_format_that_it_allows") {
        return;
    }
    let (text, open, proto) =
        ("text/plain; version=0.0.4", "application/openmetrics-text", "application/vnd.google.protobuf");
    let delimited = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &["--probes", "poll"]).unwrap();
    for (accept, expected) in [
        ("", text),
        ("*/*", text),
        ("text/*;q=0.5", text),
        ("image/png", text),
        ("application/*", open),
        ("APPLICATION/OPENMETRICS-TEXT;VERSION=\"1.0.0\"", open),
        ("application/openmetrics-text;version=2.0.0", text),
        ("application/openmetrics-text;q=0", text),
        ("application/openmetrics-text;q=0.000,*/*;q=0.001", text),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", text),
        ("application/openmetrics-text;q=0.5,*/*;q=0.1", open),
        ("text/plain;q=0,*/*", open),
        ("text/plain;q=0.4,application/openmetrics-text;q=0.5;charset=utf-8", open),
        (&format!("{delimited};q=0.6,application/openmetrics-text;q=0.5,*/*;q=0.2"), proto),
        (&format!("{delimited};q=0.1,text/plain;q=0.2"), text),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", text),
        (";;;,,,", text),
        ("text/plain;q=abc", text),
    ] {
        let request = format!("GET /metrics HTTP/1.0\r\nAccept: {accept}\r\nAccept-Encoding: gzip\r\n\r\n");
        let answer = agent.send(request.as_bytes()).unwrap();
        let kind = answer.head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap();
        assert!(kind.starts_with(expected), "{accept}: {kind}");
        assert!(answer.head.contains("vary: accept") && !answer.head.contains("content-encoding"), "{accept}");
    }
    agent.stop().unwrap();
}
