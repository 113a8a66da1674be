//! Compares the resource usage in a record with the process's own measurement.

use std::fs;

use anyhow::{Context, Result, ensure};
use pidflow_tests::records::{Record, Side};
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;
use pidflow_tests::truth::{Exchange, Usage};

/// The largest difference that the project promises, in percent.
const PERCENT: u64 = 5;

/// Asserts that `said` is within 5 % of `truth`; differences below `grain`, the unit of measurement, are allowed.
fn agrees(what: &str, said: Option<u64>, truth: u64, grain: u64) -> Result<()> {
    let said = said.with_context(|| format!("{what} is not said"))?;
    let allowed = (truth * PERCENT / 100).max(grain);
    eprintln!("{what}: said {said}, true {truth}");
    ensure!(said.abs_diff(truth) <= allowed, "{what}: the record says {said}, the process {truth}");
    Ok(())
}

/// For processes with more threads the agent takes samples itself, some time after the flow's beginning and end: the
/// usage is that of the flow if the process is idle before and after, and the load is that of the time between the
/// samples.
const FEW_THREADS: usize = 24;

/// In shorter flows, the time until the server accepts is a noticeable part of the flow but not of the process's usage,
/// nanoseconds.
const SHORT_NS: u64 = 500_000_000;

fn record_of<'a>(exchange: &Exchange, records: &'a [Record]) -> Result<&'a Record> {
    let source = (exchange.source, exchange.source_port);
    records.iter().find(|record| record.source == source && record.protocol == exchange.protocol).context("no record")
}

fn assert_usage(side: Side, usage: &Usage, record: &Record) -> Result<()> {
    let said = |key| record.end_number(side, key);
    agrees("CPU time", said("FLOW_CPU_TIME"), usage.cpu_ns, 0)?;
    agrees("minor faults", said("FLOW_MINOR_FAULTS"), usage.minor_faults, 0)?;
    agrees("major faults", said("FLOW_MAJOR_FAULTS"), usage.major_faults, 2)?;
    // For many threads, shares of time refer to the time between two samples, which is longer than the process lived.
    let has_shares = usage.threads <= FEW_THREADS && usage.wall_ns > SHORT_NS;
    if has_shares {
        agrees("CPU load", said("PROC_AVERAGE_CPU_LOAD"), usage.cpu_ns * 10_000 / usage.wall_ns, 100)?;
    }
    agrees("resident memory", said("PROC_ACTUAL_MEMORY"), usage.rss, 0)?;
    agrees("peak memory", said("PROC_PEAK_MEMORY"), usage.peak_rss, 0)?;
    agrees("page faults", said("PROC_NUM_PAGE_FAULTS"), usage.minor_faults + usage.major_faults, 0)?;
    match usage.iowait_ns {
        // If a thread is woken before the kernel has noted that it waits, the kernel counts a wait since the boot.
        Some(iowait_ns) if iowait_ns > usage.wall_ns * usage.threads as u64 => {
            let said = said("FLOW_IOWAIT_TIME").context("no iowait")?;
            ensure!(said <= usage.wall_ns * usage.threads as u64, "the kernel's wrong figure is repeated: {said}");
            Ok(())
        }
        // The process reads its own wait in clock ticks of 10 ms.
        Some(iowait_ns) => {
            agrees("iowait", said("FLOW_IOWAIT_TIME"), iowait_ns, 10_000_000)?;
            if has_shares {
                agrees("iowait share", said("PROC_PCTG_IOWAIT"), iowait_ns * 10_000 / usage.wall_ns, 100)?;
            }
            Ok(())
        }
        None => {
            ensure!(said("FLOW_IOWAIT_TIME").is_none(), "iowait time is said without delay accounting");
            ensure!(said("PROC_PCTG_IOWAIT").is_none(), "iowait share is said without delay accounting");
            Ok(())
        }
    }
}

/// The kernel's switch.
const SWITCH: &str = "/proc/sys/kernel/task_delayacct";

/// Runs `scenario` with delay accounting `switch`, and compares both flows at `side`.
fn assert_scenario(scenario: &str, side: Side, switch: &str) -> Result<Vec<Usage>> {
    let before = fs::read_to_string(SWITCH)?;
    let trial = trial::observe(scenario, &["--probes", "tracepoint", "--delay-accounting", switch])?;
    ensure!(fs::read_to_string(SWITCH)? == before, "{SWITCH} was not put back: {}", trial.ended.log);
    ensure!(trial.outcome.perfect(), "{}\n{}", trial.outcome, trial.ended.log);
    let mut usages = Vec::new();
    for exchange in &trial.truth {
        let usage = match side {
            Side::Source => exchange.source_usage.clone(),
            Side::Destination => exchange.destination_usage.clone(),
        };
        let usage = usage.context("the scenario measured nothing")?;
        let record = record_of(exchange, &trial.ended.records)?;
        assert_usage(side, &usage, record).with_context(|| format!("{:?}\n{usage:?}", record.keys()))?;
        usages.push(usage);
    }
    ensure!(!usages.is_empty(), "no flow");
    Ok(usages)
}

#[test]
fn a_client_that_burns_and_faults() -> Result<()> {
    if without_root("a_client_that_burns_and_faults") {
        return Ok(());
    }
    assert_scenario("metrics", Side::Source, "off").map(drop)
}

#[test]
fn a_server_that_burns_and_faults() -> Result<()> {
    if without_root("a_server_that_burns_and_faults") {
        return Ok(());
    }
    assert_scenario("metrics --side server", Side::Destination, "off").map(drop)
}

/// The kernel's events sum up the threads of processes with few threads only.
#[test]
fn processes_of_many_threads() -> Result<()> {
    if without_root("processes_of_many_threads") {
        return Ok(());
    }
    for threads in [30, 200] {
        assert_scenario(&format!("metrics --threads {threads}"), Side::Source, "off")?;
        assert_scenario(&format!("metrics --threads {threads} --side server"), Side::Destination, "off")?;
    }
    Ok(())
}

/// Flows of milliseconds; the tests above have flows of a second.
#[test]
fn short_flows_of_few_and_many_threads() -> Result<()> {
    if without_root("short_flows_of_few_and_many_threads") {
        return Ok(());
    }
    for threads in [1, 30, 200] {
        let scenario = format!("metrics --threads {threads} --cpu-ms 40 --memory-mib 8");
        assert_scenario(&scenario, Side::Source, "off").context(scenario.clone())?;
        assert_scenario(&format!("{scenario} --side server"), Side::Destination, "off").context(scenario)?;
    }
    Ok(())
}

#[test]
fn a_client_that_waits_for_the_disk() -> Result<()> {
    const NAME: &str = "a_client_that_waits_for_the_disk";
    if without_root(NAME) {
        return Ok(());
    }
    if !std::path::Path::new("/proc/sys/kernel/task_delayacct").exists() {
        skip(NAME, "this kernel has no delay accounting");
        return Ok(());
    }
    // The build folder lies on a disk, which a temporary folder may not.
    let dir = pidflow_tests::process::binary("scenario")?;
    let dir = dir.parent().context("no build folder")?.display().to_string();
    for threads in [1, 30, 200] {
        let scenario = format!("metrics --threads {threads} --cpu-ms 200 --disk-ms 2000 --dir {dir}");
        for usage in assert_scenario(&scenario, Side::Source, "on").context(scenario)? {
            let waited = usage.iowait_ns.context("the process saw no delay accounting")?;
            // On a busy machine the process mostly waits for a processor.
            if waited < 50_000_000 {
                skip(NAME, &format!("a process of {threads} threads waited only {waited} ns for the disk"));
                return Ok(());
            }
        }
    }
    Ok(())
}
