//! Interfaces that go, come back and get other names while `pidflow run` captures them, in records, readiness and metrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::net::UdpSocket;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{skip, sys};

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

fn up(name: &str) {
    ip(&format!("link add {name} type veth peer name far"));
    ip("link set far up");
    ip(&format!("addr add 192.0.2.1/24 dev {name}"));
    ip(&format!("link set {name} up"));
    neighbour(name);
}

fn neighbour(name: &str) {
    ip(&format!("neigh replace 192.0.2.99 lladdr 02:00:00:00:00:63 dev {name}"));
}

fn send(from_port: u16) {
    let socket = UdpSocket::bind(("192.0.2.1", from_port)).unwrap();
    for _ in 0..5 {
        socket.send_to(b"pidflow", "192.0.2.99:9").unwrap();
    }
}

#[test]
fn an_interface_is_followed_through_names_and_lives() {
    let name = "an_interface_is_followed_through_names_and_lives";
    if skip::without_root(name) {
        return;
    }
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    up("pf0");
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("records.jsonl").display().to_string();
    let arguments = ["-i", "pf0", "-i", "pf0", "--probes", "poll", "--json", &json];
    let agent = Serving::start(dir.path(), &arguments).unwrap();
    let missing = || Ok(agent.get("/readyz")?.body.contains("interface pf0 is not captured"));
    let changes = |change: &str| agent.metric(&format!("pidflow_interface_changes_total{{change=\"{change}\"}}"));
    assert!(!missing().unwrap());

    send(1001);
    sleep(Duration::from_secs(3));
    ip("link del pf0");
    eventually("pf0 is missed", missing).unwrap();
    eventually("that is counted", || Ok(agent.metric("pidflow_interfaces_missing")? == 1)).unwrap();
    up("pf0");
    eventually("pf0 is captured again", || Ok(!missing()?)).unwrap();
    sleep(Duration::from_millis(500));
    send(1002);
    sleep(Duration::from_secs(3));
    ip("link set pf0 down");
    ip("link set pf0 name pf9");
    ip("link set pf9 up");
    neighbour("pf9");
    eventually("the name is heard", || Ok(changes("renamed")? == 1)).unwrap();
    sleep(Duration::from_secs(1));
    send(1003);
    assert_eq!(["appeared", "disappeared"].map(|change| changes(change).unwrap()), [1, 1]);
    agent.stop().unwrap();

    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for said in ["pf0 is named twice", "pf0 disappeared", "pf0 appeared", "pf0 was renamed to pf9"] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    let json = std::fs::read_to_string(json).unwrap();
    let records: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (port, interface) in [(1001, "pf0"), (1002, "pf0"), (1003, "pf9")] {
        let mine: Vec<_> = records.iter().filter(|r| r["L4_SRC_PORT"] == port).collect();
        let packets: u64 = mine.iter().map(|r| r["IN_PKTS"].as_u64().unwrap()).sum();
        assert_eq!(packets, 5, "{mine:?}");
        assert!(mine.iter().all(|r| r["INTERFACE_NAME"] == interface), "{mine:?}");
    }
}
