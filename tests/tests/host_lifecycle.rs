//! The agent's end: told to stop it loses nothing, killed it leaves nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pidflow_tests::agent::Agent;
use pidflow_tests::bpf::Loaded;
use pidflow_tests::compare;
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
