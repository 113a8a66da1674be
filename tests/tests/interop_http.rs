//! Tests the HTTP pages with programs of other projects: schemathesis against the OpenAPI description, and Prometheus
//! for the metrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use pidflow_tests::serving::{self, Serving, eventually};
use pidflow_tests::{process, skip};

const STREAM: &str = "/api/stream";
const TOKEN: &str = "0f3a.secret-of_the/test";

/// Makes flows of several kinds: with and without an answer, over IPv4 and IPv6.
fn talk() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (tcp, udp) = (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
        for _ in 0..20 {
            let mut client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
            client.write_all(b"question").unwrap();
            drop((client, tcp.accept().unwrap()));
            udp.send_to(b"to itself", udp.local_addr().unwrap()).unwrap();
        }
        let closed = tcp.local_addr().unwrap();
        drop(tcp);
        assert!(TcpStream::connect(closed).is_err(), "nobody listens any more");
    }
}

/// The number of operations in the description.
fn described_operations(agent: &Serving) -> usize {
    let description = agent.json("/api/openapi.json").unwrap();
    let methods = |path: &serde_json::Value| path.as_object().map_or(0, |m| m.keys().filter(|k| is_method(k)).count());
    description["paths"].as_object().unwrap().values().map(methods).sum()
}

fn is_method(key: &str) -> bool {
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&key)
}

#[test]
fn schemathesis_finds_nothing_that_the_description_does_not_say() {
    let name = "schemathesis_finds_nothing_that_the_description_does_not_say";
    if skip::without_root(name) {
        return;
    }
    let schemathesis = process::cache().join("venv/bin/schemathesis");
    if !schemathesis.exists() {
        return skip::skip(name, &format!("no {}", schemathesis.display()));
    }
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let history = dir.path().join("history");
    let options = ["--token-file", token.to_str().unwrap(), "--history", history.to_str().unwrap()];
    let agent = Serving::start(dir.path(), &options).unwrap().with_token(TOKEN);
    talk();
    let flows = || anyhow::Ok(agent.json("/api/flows?limit=500")?["flows"].as_array().map_or(0, Vec::len));
    eventually("flows are there", || flows().map(|n| n > 40)).unwrap();

    // The description allows every cursor of 40 digits, but only those that the agent returned are valid; others get
    // 410. Any text is allowed as filter; one that is no expression gets 422.
    let config = dir.path().join("schemathesis.toml");
    std::fs::write(&config, "[checks]\npositive_data_acceptance.expected-statuses = [\"2xx\", \"410\", \"422\"]\n")
        .unwrap();
    let description = format!("http://{}/api/openapi.json", agent.address);
    let output = Command::new(schemathesis)
        .args([
            "--config-file",
            config.to_str().unwrap(),
            "run",
            &description,
            "--header",
            &format!("Authorization: Bearer {TOKEN}"),
        ])
        .args(["--checks", "all", "--max-examples", "50", "--seed", "1", "--no-color"])
        // Each of its answers lasts 20 s.
        .args(["--exclude-path", STREAM])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // The description itself and the stream are not among the operations.
    let others = described_operations(&agent) - 2;
    assert!(others > 8, "only {others} operations are described");
    assert!(said.contains(&format!("Tested: {others}\n")), "of {others}: {said}");
    // Schemathesis does not decode protobuf; another test has Prometheus decode it.
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("⚠")).collect();
    let is_about_protobuf = |line: &&str| line.contains("1 operation cannot validate application/vnd.google.protobuf");
    assert!(warnings.iter().all(is_about_protobuf) && warnings.len() <= 1, "{warnings:?}");
    assert_eq!(agent.get("/livez").unwrap().body, "ok\n", "it is still there");
    agent.stop().unwrap();
}

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Prometheus' answer to a query: the value of each series by its label `le`, which may be absent.
fn query(port: u16, query: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let query = query.replace(' ', "%20");
    let request = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request.as_bytes())?;
    let answer: serde_json::Value = serde_json::from_str(&serving::read(stream)?.body)?;
    let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    Ok(series.iter().map(|s| (text(&s["metric"]["le"]), text(&s["value"][1]))).collect())
}

/// Prometheus decodes protobuf and finds the same values as in the text format.
#[test]
fn prometheus_reads_protobuf_as_it_reads_text() {
    let name = "prometheus_reads_protobuf_as_it_reads_text";
    if skip::without_root(name) {
        return;
    }
    if Command::new("prometheus").arg("--version").output().is_err() {
        return skip::skip(name, "no prometheus");
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &[]).unwrap();
    talk();
    eventually("connections are told", || Ok(agent.get("/metrics")?.body.contains("_bucket{"))).unwrap();
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nAccept: {PROTOBUF}\r\nConnection: close\r\n\r\n", agent.address);
    let mut stream = TcpStream::connect(agent.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
    let head = String::from_utf8_lossy(&answer[..answer.len().min(512)]).to_lowercase();
    assert!(head.contains("200 ok") && head.contains("content-type: application/vnd.google.protobuf"), "{head}");

    let (config, port) = (dir.path().join("prometheus.yml"), free_port());
    let target = format!("static_configs: [{{targets: ['{}']}}]", agent.address);
    std::fs::write(&config, format!("scrape_configs: [{{job_name: pidflow, scrape_interval: 1s, {target}}}]\n"))
        .unwrap();
    let mut command = Command::new("prometheus");
    // With native histograms enabled, Prometheus prefers protobuf.
    command.arg("--enable-feature=native-histograms").arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = process::Guarded::new(command.stderr(std::process::Stdio::null()).spawn().unwrap());
    let values = |q: &str| query(port, q).unwrap_or_default().into_values().collect::<Vec<_>>();
    eventually("it is scraped", || Ok(values("up") == ["1"])).unwrap();
    let mut buckets = BTreeMap::new();
    eventually("histograms are there", || {
        buckets = query(port, "sum by (le) (pidflow_edge_connect_seconds_bucket)").unwrap_or_default();
        Ok(buckets.len() > 3)
    })
    .unwrap();
    assert!(buckets.contains_key("+Inf"), "{buckets:?}");
    assert_eq!(values("count(pidflow_build_info)"), ["1"]);
    assert!(values("sum(pidflow_edge_flows_total)").iter().any(|v| v.parse::<f64>().unwrap() >= 0.0));
    agent.stop().unwrap();
}
