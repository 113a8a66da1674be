//! Packets that pass several interfaces of a host are counted once, whichever of them are captured.

use std::net::UdpSocket;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::namespace::{Namespace, ip};
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{skip, sys, trial};
use serde_json::Value;

/// Datagrams of each flow.
const SENT: u64 = 20;
const FLOWS: u16 = 3;

/// The interfaces between sender and receiver.
struct Way {
    name: &'static str,
    /// Interfaces that see the same packets.
    interfaces: &'static [&'static str],
    /// Sends from each of the ports.
    send: Box<dyn Fn(u16) -> Result<()>>,
}

fn send(port: u16, from: &str, to: &str) -> Result<()> {
    let socket = UdpSocket::bind((from, port))?;
    for _ in 0..SENT {
        // Nobody listens: a refusal is reported with the next one.
        let _ = socket.send_to(b"pidflow", to);
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// A namespace behind a port of a bridge, which has an address.
fn bridge() -> Result<Way> {
    ip("link add br0 type bridge")?;
    ip("addr add 192.0.2.1/24 dev br0")?;
    ip("link set br0 up")?;
    let far = Namespace::new()?;
    far.pair("v0", ("eth0", "192.0.2.2/24"))?;
    ip("link set v0 master br0")?;
    let send = Box::new(move |port| far.within(|| send(port, "192.0.2.2", "192.0.2.1:9")));
    Ok(Way { name: "bridge", interfaces: &["br0", "v0"], send })
}

/// Two namespaces behind ports of a bridge: no interface but the ports sees what they send each other.
fn ports() -> Result<Way> {
    ip("link add br1 type bridge")?;
    ip("link set br1 up")?;
    let (one, two) = (Namespace::new()?, Namespace::new()?);
    one.pair("p1", ("eth0", "198.51.100.1/24"))?;
    two.pair("p2", ("eth0", "198.51.100.2/24"))?;
    ["p1", "p2"].iter().try_for_each(|port| ip(&format!("link set {port} master br1")))?;
    let send = Box::new(move |port| {
        let _is_there = &two;
        one.within(|| send(port, "198.51.100.1", "198.51.100.2:9"))
    });
    Ok(Way { name: "ports", interfaces: &["p1", "p2"], send })
}

/// Both ends of a veth pair are in this namespace.
fn pair() -> Result<Way> {
    ip("link add pf0 type veth peer name pf1")?;
    ["pf0", "pf1"].iter().try_for_each(|end| ip(&format!("link set {end} up")))?;
    ip("addr add 203.0.113.1/25 dev pf0")?;
    ip("neigh replace 203.0.113.2 lladdr 02:00:00:00:00:02 dev pf0")?;
    Ok(Way {
        name: "pair",
        interfaces: &["pf0", "pf1"],
        send: Box::new(|port| send(port, "203.0.113.1", "203.0.113.2:9")),
    })
}

/// A macvlan device and its lower interface, which leads to another namespace.
fn macvlan() -> Result<Way> {
    let far = Namespace::new()?;
    far.pair("low0", ("eth0", "203.0.113.130/25"))?;
    ip("link add link low0 name mv0 type macvlan mode bridge")?;
    ip("addr add 203.0.113.129/25 dev mv0")?;
    ip("link set mv0 up")?;
    let send = Box::new(move |port| {
        let _is_there = &far;
        send(port, "203.0.113.129", "203.0.113.130:9")
    });
    Ok(Way { name: "macvlan", interfaces: &["low0", "mv0"], send })
}

/// Routed from one namespace to another.
fn routed() -> Result<Way> {
    // The file is that of this thread's namespace.
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    let (one, two) = (Namespace::new()?, Namespace::new()?);
    one.pair("r1", ("eth0", "10.77.1.2/24"))?;
    two.pair("r2", ("eth0", "10.77.2.2/24"))?;
    ip("addr add 10.77.1.1/24 dev r1")?;
    ip("addr add 10.77.2.1/24 dev r2")?;
    one.ip("route add default via 10.77.1.1")?;
    two.ip("route add default via 10.77.2.1")?;
    let send = Box::new(move |port| {
        let _is_there = &two;
        one.within(|| send(port, "10.77.1.2", "10.77.2.2:9"))
    });
    Ok(Way { name: "routed", interfaces: &["r1", "r2"], send })
}

/// Packets of a record, both ways.
fn packets(record: &Value) -> u64 {
    ["IN_PKTS", "OUT_PKTS"].iter().filter_map(|key| record[key].as_u64()).sum()
}

/// UDP from this port to the port where nobody listens.
fn is_flow(record: &Value, port: u16) -> bool {
    record["L4_SRC_PORT"] == port && record["L4_DST_PORT"] == 9 && record["PROTOCOL"] == 17
}

fn records(json: &Path) -> Result<Vec<Value>> {
    std::fs::read_to_string(json)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The interfaces that are captured, by `-i`.
fn captured(way: &Way) -> Vec<Vec<&'static str>> {
    vec![vec!["any"], vec!["all"], way.interfaces.to_vec(), way.interfaces.iter().rev().copied().collect()]
}

fn counts_once(way: &Way, interfaces: &[&str], first_port: u16) -> Result<()> {
    let dir = trial::folder()?;
    let json = dir.path().join("records.jsonl");
    let named = json.display().to_string();
    let mut arguments = vec!["--probes", "poll", "--json", &named];
    interfaces.iter().for_each(|interface| arguments.extend(["-i", interface]));
    let agent = Serving::start(dir.path(), &arguments)?;
    (first_port..first_port + FLOWS).try_for_each(|port| (way.send)(port))?;
    let series = "pidflow_packets_discarded_total{reason=\"seen-elsewhere\"}";
    eventually("second sightings are counted", || Ok(agent.metric(series)? >= SENT * u64::from(FLOWS)))
        .with_context(|| format!("{} {interfaces:?}", way.name))?;
    let gaps = agent.json("/api/ledger")?.get("gaps").cloned().unwrap_or_default();
    agent.stop()?;
    ensure!(gaps == serde_json::json!([]), "{} {interfaces:?}: {gaps}", way.name);
    let records = records(&json)?;
    for port in first_port..first_port + FLOWS {
        let mine: Vec<_> = records.iter().filter(|record| is_flow(record, port)).collect();
        let sum: u64 = mine.iter().map(|record| packets(record)).sum();
        ensure!(sum == SENT, "{} {interfaces:?}: {sum} of {SENT}: {mine:?}", way.name);
        let seen_at = |record: &&&Value| way.interfaces.iter().any(|i| record["INTERFACE_NAME"] == **i);
        ensure!(mine.iter().all(|record| seen_at(&record)), "{mine:?}");
    }
    let log = std::fs::read_to_string(dir.path().join("log"))?;
    let said = log.matches("each flow is counted at the interface that sees it first").count();
    let is_wired = !matches!(way.name, "routed" | "ports");
    ensure!(!is_wired || said > 0, "{} {interfaces:?}: {log}", way.name);
    Ok(())
}

/// Moves the thread into a network namespace of its own.
fn isolated(test: &str) -> Result<bool> {
    if skip::without_root(test) {
        return Ok(false);
    }
    sys::unshare(libc::CLONE_NEWNET)?;
    ip("link set lo up")?;
    Ok(true)
}

#[test]
fn packets_that_pass_several_interfaces_are_counted_once() -> Result<()> {
    let test = "packets_that_pass_several_interfaces_are_counted_once";
    if !isolated(test)? {
        return Ok(());
    }
    let mut first_port = 2000;
    let ways: [fn() -> Result<Way>; 5] = [bridge, pair, macvlan, ports, routed];
    for make in ways {
        let way = match make() {
            Ok(way) => way,
            Err(e) => {
                skip::skip(test, &format!("this kernel has no such interface: {e}"));
                continue;
            }
        };
        for interfaces in captured(&way) {
            let again = |e| {
                // A packet that one of the interfaces' buffers dropped on a busy host has no second sighting. A fault comes again.
                println!("once more: {e:#}");
                counts_once(&way, &interfaces, first_port + FLOWS)
            };
            counts_once(&way, &interfaces, first_port).or_else(again)?;
            first_port += 2 * FLOWS;
        }
    }
    Ok(())
}
