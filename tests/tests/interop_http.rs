//! The HTTP pages against their own description, by schemathesis, which was not written here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{process, skip};

const TOKEN: &str = "0f3a.secret-of_the/test";

/// Flows of several kinds: with and without an answer, of both families.
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

/// How many operations the description has.
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
    let options = ["--token-file", token.to_str().unwrap()];
    let agent = Serving::start(dir.path(), &options).unwrap().with_token(TOKEN);
    talk();
    let flows = || anyhow::Ok(agent.json("/api/flows?limit=500")?["flows"].as_array().map_or(0, Vec::len));
    eventually("flows are there", || flows().map(|n| n > 40)).unwrap();

    // Every cursor of 40 digits is as the description wants it, and all but those that the agent gave are gone.
    let config = dir.path().join("schemathesis.toml");
    std::fs::write(&config, "[checks]\npositive_data_acceptance.expected-statuses = [\"2xx\", \"410\"]\n").unwrap();
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
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // All but the description itself.
    let others = described_operations(&agent) - 1;
    assert!(others > 8, "only {others} operations are described");
    assert!(said.contains(&format!("Tested: {others}\n")) && !said.contains("WARNINGS"), "of {others}: {said}");
    assert_eq!(agent.get("/livez").unwrap().body, "ok\n", "it is still there");
    agent.stop().unwrap();
}
