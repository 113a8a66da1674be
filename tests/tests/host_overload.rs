//! An agent that gets too little processor time to follow: it may know less, but nothing that it says is wrong, and it
//! says what it lost.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pidflow_tests::compare::{self, Outcome};
use pidflow_tests::records;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::slow::{Slowed, Threads};
use pidflow_tests::sys;
use pidflow_tests::trial::{self, Running};
use pidflow_tests::truth::Exchange;

/// More connections than the ring of 8 MiB has room for, if all that happens on them is reported.
const CONNECTIONS: usize = 20_000;

/// What an overloaded agent said.
struct Overloaded {
    truth: Vec<Exchange>,
    outcome: Outcome,
    log: String,
    /// Events for which the ring had no room, and minor ones that were left out.
    lost: [u64; 2],
}

fn backend() -> String {
    std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned())
}

/// Moves this thread, and the programs that it starts, into a network namespace of their own.
fn own_network() -> Result<()> {
    sys::unshare(libc::CLONE_NEWNET)?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    ensure!(up.success(), "loopback is not up");
    Ok(())
}

fn overload(workers: usize, slow: Threads) -> Result<Overloaded> {
    own_network()?;
    let dir = trial::folder()?;
    let json = dir.path().join("records.jsonl");
    let agent = Serving::start(dir.path(), &["--probes", &backend(), "--json", &json.display().to_string()])?;
    let scenario = format!("overload --count {CONNECTIONS} --workers {workers}");
    let running = Running::prepare(dir.path(), &scenario)?;
    let truth = {
        let _slowed = Slowed::new(agent.pid(), slow)?;
        running.go()?;
        running.finish()?
    };
    let lost = |reason| agent.metric(&format!("pidflow_probe_events_lost_total{{reason=\"{reason}\"}}"));
    eventually("the losses are counted", || Ok(lost("ring-full")? > 0 && lost("ring-half-full")? > 0))?;
    let lost = [lost("ring-full")?, lost("ring-half-full")?];
    agent.stop()?;
    let outcome = compare::compare(&truth, &records::read(&json)?);
    let log = fs::read_to_string(dir.path().join("log")).context("read the log")?;
    Ok(Overloaded { truth, outcome, log, lost })
}

fn check(seen: &Overloaded) -> Result<()> {
    println!("{:?} events lost; {}", seen.lost, seen.outcome);
    ensure!(seen.truth.len() == CONNECTIONS, "only {} connections", seen.truth.len());
    ensure!(seen.outcome.wrong == 0, "{}", seen.outcome);
    ensure!(seen.log.contains("kernel events were lost"), "the log does not say it:\n{}", seen.log);
    Ok(())
}

#[test]
fn overload_makes_no_process_wrong() -> Result<()> {
    if without_root("overload_makes_no_process_wrong") {
        return Ok(());
    }
    check(&overload(0, Threads::All)?)
}

#[test]
fn overload_does_not_name_a_listeners_owner() -> Result<()> {
    if without_root("overload_does_not_name_a_listeners_owner") {
        return Ok(());
    }
    check(&overload(4, Threads::AllButPackets)?)
}
