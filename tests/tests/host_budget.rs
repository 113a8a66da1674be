//! A flood of SYNs from random sources pushes the agent over a small CPU budget. It leaves things out in the stated order, says so in log,
//! metrics, `/readyz` and the summary, and counts everything in the ledger; the processes of the honest exchanges beside the flood stay right,
//! its memory within the budget; and after the flood it leaves nothing out any more.
//!
//! Needs root. The test prints its figures.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pidflow_tests::compare;
use pidflow_tests::process::{self, Guarded};
use pidflow_tests::records;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys;
use pidflow_tests::trial::Running;
use serde_json::Value;

/// So little that a flood on any machine exceeds it, and an idle agent does not.
const CPU_BUDGET: &str = "15%";
const MEMORY_BUDGET: u64 = 256 << 20;
/// How long the flood lasts, seconds.
const FLOOD_S: u64 = 7;
/// The longest time until nothing is left out any more: three seconds of calm for sampling, usage and names each, and margin.
const RECOVERY: Duration = Duration::from_secs(60);

fn own_network() -> Result<()> {
    sys::unshare(libc::CLONE_NEWNET)?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    ensure!(up.success(), "loopback is not up");
    Ok(())
}

/// The level of which `/readyz` tells, and all that it says. `/metrics` would cost the agent more of its budget.
fn level(agent: &Serving) -> Result<(u64, String)> {
    let said = agent.get("/readyz")?.body;
    let left_out = said.lines().find_map(|line| line.split_once("over the budget: left out: ")).map(|(_, what)| what);
    let rate = left_out.and_then(|what| what.strip_suffix(" packets")?.rsplit_once(' ')?.1.parse::<u64>().ok());
    let level = match left_out {
        None => 0,
        Some(what) => rate.map_or(1 + u64::from(what.contains("usage")), |rate| 2 + u64::from(rate.ilog2())),
    };
    Ok((level, said))
}

/// What `/readyz` said at each level that was seen, and peak memory, bytes.
struct Seen {
    levels: Vec<(u64, String)>,
    peak: u64,
}

/// Watches the agent until it leaves nothing out any more, or the time is over.
fn watch(agent: &Serving, until: impl Fn(u64) -> bool, limit: Duration, seen: &mut Seen) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let (now, said) = level(agent)?;
        if seen.levels.last().is_none_or(|(last, _)| *last != now) {
            seen.levels.push((now, said));
        }
        seen.peak = seen.peak.max(memory(agent.pid())?);
        if until(now) || Instant::now() >= end {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// Resident memory, bytes.
fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

fn packets(account: &Value) -> u64 {
    account["packets"].as_u64().unwrap_or_default()
}

/// Every packet that reached the socket was dropped there, sampled out, discarded for another reason, or counted.
fn check_ledger(ledger: &Value) -> Result<u64> {
    let total = &ledger["total"];
    let count = |key: &str| total[key].as_u64().unwrap_or_default();
    let discarded: u64 = total["discarded"].as_object().context("discarded")?.values().map(packets).sum();
    let sampled_out = total.pointer("/discarded/sampled-out").map_or(0, packets);
    let counted = packets(&total["in_flows"]) + packets(&total["to_count"]) + discarded;
    println!(
        "received {}, dropped {}, in flows {}, sampled out {sampled_out}, otherwise discarded {}",
        count("received"),
        count("dropped"),
        packets(&total["in_flows"]),
        discarded - sampled_out
    );
    ensure!(packets(&total["captured"]) == counted, "captured {} of {counted}", total["captured"]);
    ensure!(ledger["gaps"].as_array().is_some_and(Vec::is_empty), "{}", ledger["gaps"]);
    Ok(sampled_out)
}

/// The levels rise in order, each is named in `/readyz`, and the last is 0.
fn check_levels(levels: &[(u64, String)]) -> Result<()> {
    let numbers: Vec<_> = levels.iter().map(|(n, _)| *n).collect();
    println!("levels {numbers:?}");
    ensure!(numbers.first() == Some(&0) && numbers.last() == Some(&0), "{numbers:?}");
    let highest = numbers.iter().max().copied().unwrap_or_default();
    ensure!(highest > 2, "packets were never sampled: {numbers:?}");
    let rise: Vec<_> = numbers.iter().take_while(|n| **n <= 2).collect();
    ensure!(rise.is_sorted(), "not in order: {numbers:?}");
    ensure!(levels.iter().all(|(_, said)| said.starts_with("ok")), "not ready: {levels:?}");
    Ok(())
}

#[test]
fn a_flood_over_the_budget_is_shed_in_order_and_it_recovers() -> Result<()> {
    if without_root("a_flood_over_the_budget_is_shed_in_order_and_it_recovers") {
        return Ok(());
    }
    own_network()?;
    let dir = tempfile::tempdir()?;
    let json = dir.path().join("records.jsonl");
    let file = json.display().to_string();
    // Records of the flood's packets would be most of the work, long after it.
    let only = "process == \"scenario\"";
    let arguments = ["--cpu-budget", CPU_BUDGET, "--application-names", "on", "--json", &file, "--only", only];
    let agent = Serving::start(dir.path(), &arguments)?;
    let mut seen = Seen { levels: Vec::new(), peak: 0 };
    eventually("the agent is ready", || Ok(level(&agent)?.1.starts_with("ok")))?;
    watch(&agent, |level| level == 0, RECOVERY, &mut seen)?;

    println!("{:?} the flood begins", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?);
    let load = Running::start(dir.path(), &format!("load --pause-ms 50 --seconds {FLOOD_S}"))?;
    let scenario = process::binary("scenario")?;
    let mut flood = Guarded::new(Command::new(scenario).args(["flood", "--seconds", &FLOOD_S.to_string()]).spawn()?);
    watch(&agent, |_| false, Duration::from_secs(FLOOD_S), &mut seen)?;
    ensure!(flood.wait(RECOVERY)?.success(), "flood");
    let truth = load.end()?;
    watch(&agent, |level| level == 0, RECOVERY, &mut seen)?;
    thread::sleep(Duration::from_secs(3));

    check_levels(&seen.levels)?;
    let sampled_out = check_ledger(&agent.json("/api/ledger")?)?;
    ensure!(sampled_out > 0, "nothing was sampled out");
    let left_out = agent.metric("pidflow_shedding_samples_total")?;
    println!("{left_out} samples of processes left out, peak memory {} MiB", seen.peak >> 20);
    ensure!(left_out > 0 && seen.peak < MEMORY_BUDGET, "{left_out} samples, {} bytes", seen.peak);
    ensure!(agent.metric("pidflow_sampling_rate")? == 1, "still sampling");

    let later_dir = tempfile::tempdir()?;
    let later = Running::start(later_dir.path(), "load --pause-ms 50 --seconds 2")?;
    thread::sleep(Duration::from_secs(2));
    let later = later.end()?;
    thread::sleep(Duration::from_secs(3));
    agent.stop()?;
    let log = fs::read_to_string(dir.path().join("log"))?;
    log.lines().filter(|line| line.contains("budget")).for_each(|line| println!("{line}"));
    for said in ["over the budget", "within the budget again", "left out to stay within the budget"] {
        ensure!(log.contains(said), "the log does not say {said:?}:\n{log}");
    }
    check_records(&json, &truth, &later)
}

/// The processes of both ends are right or not known during the flood, and right after it. Where packets were sampled, the record says it.
fn check_records(
    json: &std::path::Path,
    truth: &[pidflow_tests::truth::Exchange],
    later: &[pidflow_tests::truth::Exchange],
) -> Result<()> {
    let records = records::read(json)?;
    let sampled = records.iter().filter(|r| r.number("SAMPLING_RATE").is_some_and(|rate| rate > 1)).count();
    let during = compare::compare(truth, &records);
    let after = compare::compare(later, &records);
    println!("{} records, {sampled} of a sample\nduring: {during}\nafter: {after}", records.len());
    ensure!(sampled > 0, "no record says that it is of a sample");
    ensure!(during.wrong == 0 && during.right > 0, "{during}");
    ensure!(after.wrong == 0 && after.missing == 0, "{after}");
    let is_scaled = |r: &&records::Record| {
        let rate = r.number("SAMPLING_RATE").unwrap_or(1);
        ["IN_PKTS", "OUT_PKTS", "IN_BYTES"].iter().all(|key| r.number(key).is_none_or(|n| n % rate == 0))
    };
    ensure!(records.iter().all(|r| is_scaled(&r)), "a record is not scaled by its rate");
    Ok(())
}
