//! Interfaces that go, come back and get other names while `pidflow run` captures them, in records, readiness and metrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::ffi::OsStr;
use std::net::UdpSocket;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{skip, sys};
use serde_json::Value;

const PACKETS: u64 = 5;

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
    for _ in 0..PACKETS {
        socket.send_to(b"pidflow", "192.0.2.99:9").unwrap();
    }
}

/// Packets that came from this port, in records so far, and the interfaces that these name.
fn recorded(json: &Path, from_port: u16) -> (u64, Vec<Value>) {
    let text = std::fs::read_to_string(json).unwrap_or_default();
    // The last line may be one that is being written.
    let records = text.split_inclusive('\n').filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mine: Vec<_> = records.filter(|r| r["L4_SRC_PORT"] == from_port).collect();
    let packets = mine.iter().map(|r| r["IN_PKTS"].as_u64().unwrap()).sum();
    (packets, mine.iter().map(|r| r["INTERFACE_NAME"].clone()).collect())
}

/// What was sent is in records, so that the interface may go.
fn await_records(json: &Path, from_port: u16) {
    eventually("all packets are in records", || Ok(recorded(json, from_port).0 == PACKETS)).unwrap();
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
    let json = dir.path().join("records.jsonl");
    let arguments = ["-i", "pf0", "-i", "pf0", "--probes", "poll", "--json", json.to_str().unwrap()];
    let agent = Serving::start(dir.path(), &arguments).unwrap();
    let missing = || Ok(agent.get("/readyz")?.body.contains("interface pf0 is not captured"));
    let changes = |change: &str| agent.metric(&format!("pidflow_interface_changes_total{{change=\"{change}\"}}"));
    assert!(!missing().unwrap());

    send(1001);
    await_records(&json, 1001);
    ip("link del pf0");
    eventually("pf0 is missed", missing).unwrap();
    eventually("that is counted", || Ok(agent.metric("pidflow_interfaces_missing")? == 1)).unwrap();
    up("pf0");
    eventually("pf0 is captured again", || Ok(!missing()?)).unwrap();
    send(1002);
    await_records(&json, 1002);
    ip("link set pf0 down");
    ip("link set pf0 name pf9");
    ip("link set pf9 up");
    neighbour("pf9");
    eventually("the name is heard", || Ok(changes("renamed")? == 1)).unwrap();
    send(1003);
    assert_eq!(["appeared", "disappeared"].map(|change| changes(change).unwrap()), [1, 1]);
    agent.stop().unwrap();

    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for said in ["pf0 is named twice", "pf0 disappeared", "pf0 appeared", "pf0 was renamed to pf9"] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    for (port, interface) in [(1001, "pf0"), (1002, "pf0"), (1003, "pf9")] {
        let (packets, interfaces) = recorded(&json, port);
        assert_eq!(packets, PACKETS, "{port}");
        assert!(interfaces.iter().all(|name| name == interface), "{port}: {interfaces:?}");
    }
}

/// The kernel takes any bytes in a name. Such an interface cannot be captured, and takes neither others nor figures with it.
#[test]
fn a_name_that_is_not_utf8_affects_no_other_interface() {
    if skip::without_root("a_name_that_is_not_utf8_affects_no_other_interface") {
        return;
    }
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    let odd = OsStr::from_bytes(b"caf\xe9");
    ip("link set lo up");
    let add = Command::new("ip").args(["link", "add"]).arg(odd).args(["type", "veth", "peer", "name", "far"]).status();
    let up = Command::new("ip").args(["link", "set"]).arg(odd).arg("up").status();
    assert!(add.unwrap().success() && up.unwrap().success());
    ip("link set far up");
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("records.jsonl");
    let agent = Serving::start(dir.path(), &["-i", "all", "--json", json.to_str().unwrap()]).unwrap();
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = sink.local_addr().unwrap().port();
    sink.send_to(b"pidflow", "127.0.0.1:9").unwrap();
    eventually("a record of loopback", || Ok(recorded(&json, port).0 == 1)).unwrap();
    let host = || Ok(agent.json("/api/host")?["interfaces"].as_array().is_some_and(|all| all.len() >= 3));
    eventually("figures of all interfaces", host).unwrap();
    agent.stop().unwrap();
}
