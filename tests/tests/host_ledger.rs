//! The ledger of a running agent accounts for every packet of two interfaces, also dropped ones, from the kernel's
//! counters to the ends of records. The tests use a network namespace of their own and need root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pidflow_tests::process::{self, Guarded};
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{skip, sys, xdp};
use serde_json::Value;

/// After this time without packets, all flows are in records, and the counters of the kernel and the sockets have been
/// read again.
const QUIET: Duration = Duration::from_secs(5);
/// How long an interface stays down: longer than the capture looks away.
const DOWN_TIME: Duration = Duration::from_millis(700);
/// More small packets than the capture's buffer holds.
const FLOOD: usize = 600_000;

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

fn said_by_ip(arguments: &str) -> String {
    String::from_utf8(Command::new("ip").args(arguments.split(' ')).output().unwrap().stdout).unwrap()
}

/// Waits until `v0` is up; until then the kernel drops what is sent.
fn await_carrier() {
    eventually("v0 is up", || Ok(said_by_ip("link show v0").contains("state UP"))).unwrap();
}

/// Creates a network with loopback and `v0`, behind which 192.0.2.99 receives every packet.
fn network() {
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    ip("link add v0 type veth peer name far");
    // Without link-local addresses the interfaces send nothing by themselves.
    ip("link set far addrgenmode none");
    ip("link set v0 addrgenmode none");
    ip("link set far up");
    ip("addr add 192.0.2.1/24 dev v0");
    ip("link set v0 up");
    ip("neigh replace 192.0.2.99 lladdr 02:00:00:00:00:63 dev v0");
    eventually("no address is tentative", || Ok(said_by_ip("-6 addr show tentative").is_empty())).unwrap();
    await_carrier();
}

/// Packets and bytes of an interface from /proc/net/dev: received and sent, for loopback only received.
fn counted(interface: &str) -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':')).unwrap();
    let fields: Vec<u64> = line.split_whitespace().map(|field| field.parse().unwrap()).collect();
    match interface {
        // The kernel counts loopback's bytes without the link-layer header.
        "lo" => [fields[1], fields[0] + 14 * fields[1]],
        _ => [fields[1] + fields[9], fields[0] + fields[8]],
    }
}

fn since(before: [u64; 2], now: [u64; 2]) -> [u64; 2] {
    [now[0] - before[0], now[1] - before[1]]
}

fn amount(of: &Value) -> [u64; 2] {
    ["packets", "bytes"].map(|key| of[key].as_u64().unwrap())
}

fn sum(parts: impl IntoIterator<Item = [u64; 2]>) -> [u64; 2] {
    parts.into_iter().fold([0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
}

fn parts(of: &Value) -> Vec<[u64; 2]> {
    of.as_object().unwrap().values().map(amount).collect()
}

/// Two processes that share this port: it is unknown which of them gets a datagram.
fn sharing(port: u16) -> [Guarded; 2] {
    let program = format!(
        "import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
         s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEPORT,1)\ns.bind(('127.0.0.1',{port}))\ntime.sleep(300)"
    );
    let start = || Command::new("python3").args(["-c", &program]).stdin(Stdio::null()).spawn().unwrap();
    [start(), start()].map(Guarded::new)
}

/// Sends from new ports until a snapshot of sockets reports their owners, and that both processes have this port.
fn await_snapshot(agent: &Serving, shared_port: u16) {
    let mut open = Vec::new();
    let is_known = || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"whose?", ("127.0.0.1", shared_port))?;
        open.push(socket);
        let ends = &agent.json("/api/ledger")?["ends"];
        let has_source = ends["source"]["attributed"].as_object().is_some_and(|by| !by.is_empty());
        Ok(has_source && ends["destination"]["not_attributed"]["ambiguous"].is_object())
    };
    eventually("sockets are known", is_known).unwrap();
}

/// Makes flows with every kind of end: processes, other hosts, the kernel, nobody, and two processes that fit equally
/// well.
fn traffic(agent: &Serving, shared_port: u16, before: [[u64; 2]; 2]) {
    let out = UdpSocket::bind("192.0.2.1:7001").unwrap();
    let own = UdpSocket::bind("127.0.0.1:7002").unwrap();
    for n in 0..50 {
        out.send_to(&[0; 100], "192.0.2.99:9").unwrap();
        own.send_to(&vec![0; n], ("127.0.0.1", shared_port)).unwrap();
        let _ = own.send_to(b"nobody", "127.0.0.1:9");
    }
    // No host has the address, so that ARP gets no answer.
    out.send_to(&[0; 100], "192.0.2.77:9").unwrap();
    // These requests make packets too: what was sent until now must be captured, not what is sent meanwhile.
    let sent = sum(["v0", "lo"].map(counted).into_iter().zip(before).map(|(now, before)| since(before, now)))[0];
    let is_read = || {
        let total = &agent.json("/api/ledger")?["total"];
        Ok(total["captured"]["packets"].as_u64() >= Some(sent))
    };
    eventually("all of it is captured", is_read).unwrap();
}

/// Sends more than the buffer holds while the agent cannot read it.
fn flood(agent: &Serving) {
    agent.signal(libc::SIGSTOP).unwrap();
    let socket = UdpSocket::bind("192.0.2.1:7003").unwrap();
    socket.connect("192.0.2.99:9").unwrap();
    (0..FLOOD).for_each(|_| drop(socket.send(&[0; 16])));
    agent.signal(libc::SIGCONT).unwrap();
}

fn audit(arguments: &[&str]) -> Output {
    Command::new(process::binary("pidflow").unwrap()).arg("audit").args(arguments).output().unwrap()
}

/// Waits until nothing changes any more; returns the ledger and the kernel's counters.
fn at_rest(agent: &Serving, interfaces: [&str; 2]) -> (Value, [[u64; 2]; 2]) {
    let begun = Instant::now();
    let last = loop {
        sleep(QUIET);
        let counted = interfaces.map(counted);
        let ledger = agent.json("/api/ledger").unwrap();
        let waits = [&ledger["total"]["to_count"], &ledger["flows"]["in_table"], &ledger["flows"]["to_join"]];
        if waits.iter().all(|of| amount(of) == [0, 0]) {
            break (ledger, counted);
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "{ledger:#}");
    };
    assert_eq!(last.0["gaps"], Value::Array(Vec::new()), "{:#}", last.0);
    last
}

/// Asserts that captured packets are in flows or discarded, that those in flows are in records, and that both ends add
/// up to all of them.
fn assert_flows(ledger: &Value) {
    for interface in ledger["interfaces"].as_array().unwrap() {
        let fates = parts(&interface["discarded"]).into_iter().chain([amount(&interface["in_flows"])]);
        assert_eq!(amount(&interface["captured"]), sum(fates), "{interface:#}");
    }
    let in_records = amount(&ledger["flows"]["in_records"]);
    assert_eq!(in_records, amount(&ledger["flows"]["in_flows"]), "{ledger:#}");
    assert_eq!(in_records[0], amount(&ledger["total"]["in_flows"])[0]);
    for end in ["source", "destination"] {
        let end = &ledger["ends"][end];
        let all = parts(&end["attributed"]).into_iter().chain(parts(&end["not_attributed"]));
        assert_eq!(sum(all), in_records, "{end:#}");
    }
}

/// The sums of the records by the attribution of one end.
fn recorded(json: &Path, end: &str) -> BTreeMap<String, [u64; 2]> {
    let mut sums: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for line in std::fs::read_to_string(json).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| record[key].as_u64().unwrap_or_default();
        let amount = [number("IN_PKTS") + number("OUT_PKTS"), number("IN_BYTES") + number("OUT_BYTES")];
        let attribution = record[format!("{end}_PROC_ATTRIBUTION")].as_str().unwrap().to_owned();
        let place = sums.entry(attribution).or_default();
        *place = sum([*place, amount]);
    }
    sums
}

fn ledger_end(ledger: &Value, end: &str) -> BTreeMap<String, [u64; 2]> {
    let end = &ledger["ends"][end];
    let all = ["attributed", "not_attributed"].into_iter().flat_map(|side| end[side].as_object().unwrap());
    all.map(|(attribution, of)| (attribution.clone(), amount(of))).collect()
}

fn account<'a>(ledger: &'a Value, name: &str) -> &'a Value {
    ledger["interfaces"].as_array().unwrap().iter().find(|i| i["name"] == name).unwrap()
}

#[test]
fn every_packet_of_two_interfaces_is_accounted_for_also_those_dropped() {
    let name = "every_packet_of_two_interfaces_is_accounted_for_also_those_dropped";
    if skip::without_root(name) {
        return;
    }
    network();
    let shared = sharing(7004);
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("records.jsonl");
    let arguments = ["-i", "v0", "-i", "lo", "--probes", "poll", "--json", json.to_str().unwrap()];
    let before = ["v0", "lo"].map(counted);
    let agent = Serving::start(dir.path(), &arguments).unwrap();
    await_snapshot(&agent, 7004);
    traffic(&agent, 7004, before);
    flood(&agent);
    let (ledger, now) = at_rest(&agent, ["v0", "lo"]);

    for ((interface, before), now) in ["v0", "lo"].into_iter().zip(before).zip(now) {
        let account = account(&ledger, interface);
        let [kernel, captured] = ["kernel", "captured"].map(|key| amount(&account[key]));
        let dropped = account["dropped"].as_u64().unwrap();
        assert_eq!(kernel, since(before, now), "{interface}: {account:#}");
        assert_eq!(kernel[0], captured[0] + dropped, "{interface}: {account:#}");
        assert_eq!(account["received"].as_u64().unwrap(), captured[0] + dropped, "{account:#}");
        assert_eq!((dropped > 0, kernel[1] == captured[1]), (interface == "v0", interface == "lo"), "{account:#}");
    }
    assert!(account(&ledger, "v0")["discarded"]["non-ip-arp"]["packets"].as_u64().unwrap() >= 1);
    assert_flows(&ledger);
    for (key, end) in [("SRC", "source"), ("DST", "destination")] {
        assert_eq!(recorded(&json, key), ledger_end(&ledger, end), "{end}");
    }
    let not_attributed = |end: &str| ledger["ends"][end]["not_attributed"].as_object().unwrap().keys().cloned();
    let reasons: Vec<String> = not_attributed("source").chain(not_attributed("destination")).collect();
    for reason in ["remote", "kernel", "no-socket", "ambiguous"] {
        assert!(reasons.iter().any(|r| r == reason), "{reason} is not among {reasons:?}");
    }
    assert!(!ledger["ends"]["source"]["attributed"].as_object().unwrap().is_empty(), "{ledger:#}");

    let metric = |account: &str| {
        agent.metric(&format!("pidflow_ledger_packets_total{{interface=\"v0\",account=\"{account}\"}}")).unwrap()
    };
    assert_eq!(metric("kernel"), metric("captured") + metric("dropped"));
    let address = agent.address.to_string();
    let said = audit(&["--listen", &address]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && text.contains("v0: ") && text.contains("were dropped"), "{text}");
    let as_json: Value = serde_json::from_slice(&audit(&["--listen", &address, "--json"]).stdout).unwrap();
    assert_eq!(account(&as_json, "v0")["dropped"], account(&ledger, "v0")["dropped"]);
    agent.stop().unwrap();
    let away = audit(&["--listen", &address]);
    let line = String::from_utf8(away.stderr).unwrap();
    assert_eq!((away.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    assert!(line.contains(&address) && line.contains("pidflow run"), "{line}");
    drop(shared);
}

#[test]
fn through_any_all_interfaces_together_are_accounted_for() {
    let name = "through_any_all_interfaces_together_are_accounted_for";
    if skip::without_root(name) {
        return;
    }
    network();
    let dir = tempfile::tempdir().unwrap();
    let before = ["v0", "lo"].map(counted);
    let agent = Serving::start(dir.path(), &["-i", "any", "--probes", "poll"]).unwrap();
    traffic(&agent, 7005, before);
    flood(&agent);
    let (ledger, now) = at_rest(&agent, ["v0", "lo"]);
    assert_flows(&ledger);
    for ((interface, before), now) in ["v0", "lo"].into_iter().zip(before).zip(now) {
        assert_eq!(amount(&account(&ledger, interface)["kernel"]), since(before, now), "{interface}: {ledger:#}");
    }
    let total = &ledger["total"];
    let [kernel, captured] = ["kernel", "captured"].map(|key| amount(&total[key])[0]);
    let dropped = total["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "{total:#}");
    // Packets between the opening of the socket and the first reading of the counters are captured too.
    assert_eq!(kernel, captured + dropped, "{ledger:#}");
    agent.stop().unwrap();
}

#[test]
fn an_interface_that_goes_down_and_comes_back_has_no_gap() {
    let name = "an_interface_that_goes_down_and_comes_back_has_no_gap";
    if skip::without_root(name) {
        return;
    }
    network();
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &["-i", "v0", "--probes", "poll"]).unwrap();
    let send = || {
        let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
        (0..100).for_each(|_| drop(socket.send_to(b"pidflow", "192.0.2.99:9")));
    };
    for _ in 0..3 {
        send();
        ip("link set v0 down");
        sleep(DOWN_TIME);
        ip("link set v0 up");
        ip("neigh replace 192.0.2.99 lladdr 02:00:00:00:00:63 dev v0");
        await_carrier();
        send();
    }
    let is_missing = || Ok(agent.get("/readyz")?.body.contains("v0 is not captured"));
    ip("link del v0");
    eventually("v0 is missed", is_missing).unwrap();
    ip("link add v0 type veth peer name far");
    ip("addr add 192.0.2.1/24 dev v0");
    ip("link set far up");
    ip("link set v0 up");
    ip("neigh replace 192.0.2.99 lladdr 02:00:00:00:00:63 dev v0");
    await_carrier();
    eventually("v0 is captured again", || Ok(!is_missing()?)).unwrap();
    send();
    let (ledger, _) = at_rest(&agent, ["v0", "lo"]);
    assert_flows(&ledger);
    assert!(amount(&account(&ledger, "v0")["captured"])[0] >= 700, "{ledger:#}");
    agent.stop().unwrap();
}

#[test]
fn packets_that_never_come_to_the_capture_are_missed_to_the_packet() {
    let name = "packets_that_never_come_to_the_capture_are_missed_to_the_packet";
    if skip::without_root(name) {
        return;
    }
    network();
    ip("addr add 198.51.100.1/24 dev far");
    ip("neigh replace 198.51.100.99 lladdr 02:00:00:00:00:64 dev far");
    let dir = tempfile::tempdir().unwrap();
    let agent = Serving::start(dir.path(), &["-i", "v0", "-i", "lo", "--probes", "poll"]).unwrap();
    let send = |packets: usize| {
        let socket = UdpSocket::bind("198.51.100.1:7006").unwrap();
        (0..packets).for_each(|_| assert_eq!(socket.send_to(&[0; 400], "198.51.100.99:9").unwrap(), 400));
    };
    send(50);
    let (ledger, _) = at_rest(&agent, ["v0", "lo"]);
    assert_eq!(amount(&account(&ledger, "v0")["captured"])[0], 50);
    let dropping = match xdp::drop_all("v0") {
        Ok(dropping) => dropping,
        Err(e) => return skip::skip(name, &format!("no XDP program can be attached: {e:#}")),
    };
    send(77);
    drop(dropping);
    send(20);
    let missed = || Ok(account(&agent.json("/api/ledger")?, "v0")["missed"] == 77);
    eventually("what was dropped below the capture is missed", missed).unwrap();
    let ledger = agent.json("/api/ledger").unwrap();
    let v0 = account(&ledger, "v0");
    assert_eq!([&v0["kernel"], &v0["captured"]].map(|of| amount(of)[0]), [147, 70], "{ledger:#}");
    assert_eq!(ledger["gaps"].as_array().unwrap().len(), 1, "{ledger:#}");
    assert_eq!(agent.metric("pidflow_ledger_gap_packets{check=\"kernel\"}").unwrap(), 77);
    let said = audit(&["--listen", &agent.address.to_string()]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("v0: the kernel counted 77 packets") && text.contains("XDP"), "{text}");
    agent.stop().unwrap();
}

/// Answers one request with this body.
fn answering(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    });
    address
}

#[test]
fn a_ledger_that_does_not_balance_is_said_and_ends_with_1() {
    let account = r#"{"name":"eth0","is_captured":true,"kernel":null,"received":9,"dropped":0,"unread":0,
        "captured":{"packets":9,"bytes":900},"long_frames":0,"in_flows":{"packets":9,"bytes":900},"discarded":{},
        "to_count":{"packets":0,"bytes":0},"missed":7,"is_merged":false}"#;
    let none = r#"{"packets":0,"bytes":0}"#;
    let ledger = format!(
        r#"{{"is_filtered":false,"interfaces":[{account}],"total":{account},"ends":{{}},
        "flows":{{"in_flows":{none},"from_others":{none},"in_table":{none},"to_join":{none},"in_records":{none}}},
        "gaps":[{{"check":"kernel","of":"eth0","amount":{{"packets":7,"bytes":0}}}}]}}"#
    );
    let said = audit(&["--listen", &answering(ledger.clone()).to_string()]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("eth0: the kernel counted 7 packets that the capture never received"), "{text}");
    assert_eq!(audit(&["--json", "--listen", &answering(ledger).to_string()]).status.code(), Some(1));

    for answer in ["null", "[]", "{\"gaps\":[]}", "<html>"] {
        let said = audit(&["--listen", &answering(answer.to_owned()).to_string()]);
        let line = String::from_utf8(said.stderr).unwrap();
        assert_eq!((said.status.code(), line.lines().count()), (Some(2), 1), "{answer}: {line}");
    }
}
