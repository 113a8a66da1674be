//! Tests the scenarios without an agent: with a wrong ground truth every other test would be worthless.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use pidflow_tests::skip::without_root;
use pidflow_tests::trial::{self, Running};
use pidflow_tests::truth::{Exchange, Expected, TrueEnd};

fn truth_of(scenario: &str) -> Result<Vec<Exchange>> {
    let dir = trial::folder()?;
    Running::start(dir.path(), scenario)?.finish()
}

fn process(end: &Expected) -> Result<&TrueEnd> {
    match end {
        Expected::Process(end) => Ok(end),
        other => anyhow::bail!("no process, but {other:?}"),
    }
}

fn destinations(truth: &[Exchange]) -> Result<BTreeSet<u32>> {
    truth.iter().map(|exchange| Ok(process(&exchange.destination_end)?.pid)).collect()
}

#[test]
fn workers_share_a_listener() -> Result<()> {
    let truth = truth_of("prefork --workers 4 --count 80")?;
    let workers = destinations(&truth)?;
    ensure!(truth.len() == 80 && workers.len() > 2, "{} exchanges, workers {workers:?}", truth.len());
    Ok(())
}

#[test]
fn the_user_of_a_passed_descriptor_is_not_the_listeners_owner() -> Result<()> {
    let truth = truth_of("fdpass --count 10")?;
    ensure!(truth.len() == 10);
    for exchange in truth {
        let end = process(&exchange.destination_end)?;
        ensure!(end.name != "pf-acceptor", "{end:?}");
    }
    Ok(())
}

#[test]
fn threads_answer_with_their_leaders_name() -> Result<()> {
    for exchange in truth_of("threads")? {
        for end in [&exchange.source_end, &exchange.destination_end] {
            ensure!(process(end)?.name == "scenario", "{end:?}");
        }
    }
    Ok(())
}

#[test]
fn after_an_exec_it_is_the_same_process_with_another_name() -> Result<()> {
    let truth = truth_of("exec-after-connect")?;
    ensure!(truth.len() == 2);
    for exchange in truth {
        let end = process(&exchange.source_end)?;
        ensure!(end.name == "pf-after" && end.parent == "scenario", "{end:?}");
    }
    Ok(())
}

#[test]
fn failing_connects_fail_as_they_should() -> Result<()> {
    for (scenario, error) in [("refused", libc::ECONNREFUSED), ("timeout", libc::ETIMEDOUT)] {
        let truth = truth_of(scenario)?;
        ensure!(!truth.is_empty() && truth.iter().all(|exchange| exchange.error == Some(error)), "{truth:?}");
    }
    Ok(())
}

#[test]
fn the_worker_burned_what_it_was_asked_to() -> Result<()> {
    let truth = truth_of("metrics --cpu-ms 300 --memory-mib 16")?;
    let usage = truth.first().and_then(|exchange| exchange.source_usage.clone()).context("no usage")?;
    ensure!((300_000_000..450_000_000).contains(&usage.cpu_ns), "{usage:?}");
    ensure!(usage.minor_faults >= 4096 && usage.rss >= 16 << 20, "{usage:?}");
    Ok(())
}

#[test]
fn a_burst_varies_everything_and_its_ports_come_back() -> Result<()> {
    if without_root("a_burst_varies_everything_and_its_ports_come_back") {
        return Ok(());
    }
    let truth = truth_of("burst --count 600 --rate 300 --ports 50")?;
    ensure!(truth.len() == 600);
    let mut kinds = BTreeSet::new();
    let mut tuples = BTreeSet::new();
    for exchange in &truth {
        let end = process(&exchange.source_end)?;
        kinds.insert((exchange.protocol, exchange.source.is_ipv4(), end.user.clone(), end.parent.clone()));
        tuples.insert((exchange.protocol, exchange.source, exchange.source_port));
    }
    // Two protocols, two families, two users, two kinds of parents.
    ensure!(kinds.len() == 16, "{kinds:?}");
    ensure!(tuples.len() < 500, "{} of 600 tuples differ", tuples.len());
    Ok(())
}
