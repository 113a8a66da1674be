//! The agent's end: after SIGTERM it loses nothing, after SIGKILL it leaves nothing in the kernel.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::bpf::Loaded;
use pidflow_tests::compare;
use pidflow_tests::namespace::Namespace;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::trial::{self, Running};
use pidflow_tests::truth::Exchange;

/// Long enough for thousands of exchanges.
const LOAD: Duration = Duration::from_secs(4);
/// Programs and maps of a dead process are freed a moment later (RCU).
const FREED_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn sigterm_under_load_exports_all_that_was_in_flight() -> Result<()> {
    if without_root("sigterm_under_load_exports_all_that_was_in_flight") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let agent = Agent::start(dir.path(), &["--probes", "tracepoint"])?;
    let mut load = Running::start(dir.path(), "load")?;
    load.await_ready()?;
    thread::sleep(LOAD);
    let ended = agent.stop()?;
    let mut truth = load.end()?;
    ensure!(truth.iter().any(|exchange| exchange.end_ns > ended.told_ns), "there was no load at the agent's end");
    truth.retain(|exchange| exchange.end_ns < ended.told_ns);
    ensure!(truth.len() > 500, "only {} exchanges", truth.len());
    let outcome = compare::compare(&truth, &ended.records);
    ensure!(outcome.wrong == 0 && outcome.missing * 1000 <= truth.len(), "{outcome}\n{}", ended.log);
    ensure!(unrecorded(&truth, &ended.records) == 0, "flows were lost:\n{outcome}\n{}", ended.log);
    Ok(())
}

/// Exchanges without any record of their addresses and ports.
fn unrecorded(truth: &[Exchange], records: &[pidflow_tests::records::Record]) -> usize {
    let known: std::collections::HashSet<_> =
        records.iter().map(|record| (record.protocol, record.source, record.destination)).collect();
    let tuple = |exchange: &Exchange| {
        let (source, destination) =
            ((exchange.source, exchange.source_port), (exchange.destination, exchange.destination_port));
        (exchange.protocol, source, destination)
    };
    truth.iter().filter(|exchange| !known.contains(&tuple(exchange))).count()
}

#[test]
fn sigkill_leaves_nothing_attached_and_a_new_start_works() -> Result<()> {
    if without_root("sigkill_leaves_nothing_attached_and_a_new_start_works") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let agent = Agent::start(dir.path(), &["--probes", "tracepoint"])?;
    let held = Loaded::held_by(agent.pid())?;
    let loaded = held.common(&Loaded::now()?);
    ensure!(!loaded.programs.is_empty(), "the agent loaded no program: this test sees nothing");
    agent.kill()?;
    let start = Instant::now();
    while !loaded.common(&Loaded::now()?).is_empty() && start.elapsed() < FREED_WITHIN {
        thread::sleep(Duration::from_millis(20));
    }
    let left = loaded.common(&Loaded::now()?);
    ensure!(left.is_empty(), "still in the kernel: {left:?}");
    let again = trial::observe("threads", &["--probes", "tracepoint"])?;
    ensure!(again.outcome.perfect(), "{}\n{}", again.outcome, again.ended.log);
    Ok(())
}

/// Connections that end while events of closes are lost.
const HELD: usize = 300;
/// Connections whose events fill the ring buffer of 8 MiB, also without those that are left out when it is half full.
const CHURN: u16 = 26_000;

/// A connection over which one byte was sent.
fn connection(listener: &TcpListener, to: Ipv4Addr) -> Result<(TcpStream, TcpStream)> {
    let mut client = TcpStream::connect(SocketAddr::from((to, listener.local_addr()?.port())))?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"x")?;
    server.read_exact(&mut [0])?;
    Ok((client, server))
}

#[test]
fn lost_events_are_reported_and_sockets_read_again() -> Result<()> {
    if without_root("lost_events_are_reported_and_sockets_read_again") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let agent = Serving::start(dir.path(), &["--probes", "tracepoint"])?;
    let claims = || agent.metric("pidflow_table_entries{table=\"socket-claims\"}");
    let missed = || agent.metric("pidflow_join_total{outcome=\"closes-missed\"}");
    let vanished = || agent.metric("pidflow_join_total{outcome=\"exits-missed\"}");
    let before = claims()?;
    let listener = TcpListener::bind("0.0.0.0:0")?;
    let held = (0..HELD).map(|_| connection(&listener, Ipv4Addr::LOCALHOST)).collect::<Result<Vec<_>>>()?;
    eventually("the connections are known", || Ok(claims()? >= before + 2 * HELD as u64))?;
    let namespace = Namespace::new()?;
    agent.signal(libc::SIGSTOP)?;
    for n in 0..CHURN {
        // Many addresses, so that ports are not used up by connections in TIME_WAIT.
        drop(connection(&listener, Ipv4Addr::new(127, 0, 1, (n % 250) as u8 + 1))?);
    }
    drop(held);
    // Where no room is left for an event of a connection, there may be some for a smaller one: it is filled too.
    for _ in 0..20 {
        ensure!(Command::new("true").status()?.success());
    }
    // Its last process is killed, and it is gone too.
    drop(namespace);
    agent.signal(libc::SIGCONT)?;
    eventually("events were lost", || Ok(agent.metric("pidflow_probe_events_lost_total{reason=\"ring-full\"}")? > 0))?;
    let log = || Ok(fs::read_to_string(dir.path().join("log"))?.contains("kernel events were lost"));
    eventually("the log says so", log)?;
    eventually("sockets that were closed have no owner any more", || Ok(missed()? >= 2 * HELD as u64))?;
    eventually("a process that was killed meanwhile is gone", || Ok(vanished()? >= 1))?;
    agent.stop()
}
