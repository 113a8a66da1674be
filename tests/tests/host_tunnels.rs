//! A VXLAN device between two network namespaces, captured on the link below it: the flow inside has the process that sent it,
//! and no packet is counted twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::UdpSocket;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::process::Guarded;
use pidflow_tests::records::{Record, Side};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::{sys, trial};

const PORT: u16 = 4321;
const DATAGRAMS: u64 = 5;
const VNI: u64 = 42;

fn run(line: &str) -> Result<bool> {
    let words: Vec<&str> = line.split(' ').collect();
    let (program, arguments) = words.split_first().context("no program")?;
    Ok(Command::new(program).args(arguments).status()?.success())
}

fn must(line: &str) -> Result<()> {
    ensure!(run(line)?, "{line}");
    Ok(())
}

/// A process that holds a network namespace.
fn far_namespace() -> Result<Guarded> {
    let child: Child = Command::new("unshare").args(["--net", "sleep", "300"]).spawn()?;
    let far = Guarded::new(child);
    let own = std::fs::read_link("/proc/thread-self/ns/net")?;
    for _ in 0..100 {
        if std::fs::read_link(format!("/proc/{}/ns/net", far.pid())).is_ok_and(|net| net != own) {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    Ok(far)
}

/// The device `inner` of 10.77.0.0/24 in both namespaces, over the pair `near` and `far` of 192.0.2.0/24. False: this kernel
/// has no VXLAN.
fn connect(far: &Guarded) -> Result<bool> {
    let inside = format!("nsenter -t {} -n ip", far.pid());
    must("ip link set lo up")?;
    must(&format!("ip link add near type veth peer name far netns {}", far.pid()))?;
    for (ip, device, own, other) in [("ip", "near", 1, 2), (&inside, "far", 2, 1)] {
        must(&format!("{ip} addr add 192.0.2.{own}/24 dev {device}"))?;
        must(&format!("{ip} link set {device} up"))?;
        let ends = format!("local 192.0.2.{own} remote 192.0.2.{other} dstport 4789 dev {device}");
        if !run(&format!("{ip} link add inner type vxlan id {VNI} {ends}"))? {
            return Ok(false);
        }
        must(&format!("{ip} addr add 10.77.0.{own}/24 dev inner"))?;
        must(&format!("{ip} link set inner up"))?;
    }
    Ok(true)
}

fn send() -> Result<()> {
    let socket = UdpSocket::bind("10.77.0.1:0")?;
    for _ in 0..DATAGRAMS {
        socket.send_to(b"through the tunnel", ("10.77.0.2", PORT))?;
        sleep(Duration::from_millis(50));
    }
    sleep(Duration::from_millis(500));
    Ok(())
}

/// What an agent with this rule records on the link below.
fn records(rule: &str) -> Result<Vec<Record>> {
    let dir = trial::folder()?;
    let agent = Agent::start(dir.path(), &["-i", "near", "--view", "plain", "--tunnels", rule])?;
    send()?;
    Ok(agent.stop()?.records)
}

fn packets(record: &Record) -> u64 {
    record.number("IN_PKTS").unwrap_or_default()
}

#[test]
fn a_flow_in_a_tunnel_has_its_process() -> Result<()> {
    let test = "a_flow_in_a_tunnel_has_its_process";
    if without_root(test) {
        return Ok(());
    }
    // The namespace is that of this thread and of the processes it starts.
    sys::unshare(libc::CLONE_NEWNET)?;
    let far = far_namespace()?;
    if !connect(&far)? {
        skip(test, "this kernel has no VXLAN");
        return Ok(());
    }
    let opened = records("inner")?;
    let inside: Vec<_> = opened.iter().filter(|r| r.destination.1 == PORT).collect();
    ensure!(inside.len() == 1 && packets(inside[0]) == DATAGRAMS, "{opened:?}");
    let record = inside[0];
    ensure!(record.end_number(Side::Source, "PROC_PID") == Some(std::process::id().into()), "{record:?}");
    ensure!(record.number("UPSTREAM_TUNNEL_ID") == Some(VNI) && record.keys()["TUNNEL_KIND"] == "vxlan", "{record:?}");
    // ARP in the tunnel is not IP: those packets count as outer packets, and no others do.
    let outside = |r: &&Record| r.destination.1 == 4789;
    ensure!(opened.iter().filter(outside).all(|r| packets(r) < DATAGRAMS), "{opened:?}");

    let closed = records("outer")?;
    ensure!(closed.iter().all(|r| r.destination.1 != PORT), "{closed:?}");
    let tunnel: u64 = closed.iter().filter(outside).map(packets).sum();
    ensure!(tunnel >= DATAGRAMS, "{closed:?}");
    Ok(())
}
