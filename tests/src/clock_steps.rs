//! Sets the wall clock an hour ahead and back again while the agent captures. This runs only in a virtual machine.

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::agent::Agent;
use crate::records::{Record, Side};
use crate::{sys, trial};

/// How far the clock is set, seconds.
const STEP_SECONDS: i64 = 3600;
/// How long each setting of the clock is kept: several timeouts of the agent.
const PHASE: Duration = Duration::from_secs(12);
/// Time between two datagrams.
const DATAGRAM_PAUSE: Duration = Duration::from_millis(50);
/// How far outside the period of its clock setting a record may begin or end, milliseconds: the active timeout and one
/// second.
const TOLERANCE_MS: u64 = 3_000;
/// The longest time in which no record may be written: two timeouts of the agent with the delay of an emulated machine,
/// and less than a phase.
const MAX_PAUSE: Duration = Duration::from_secs(8);
/// The least number of records of a phase: an active flow gives one every two seconds, and every tenth datagram is a
/// flow of its own.
const MIN_RECORDS: usize = 8;

/// Runs the test and returns a summary of a few lines.
///
/// # Errors
/// Datagrams are counted twice or not at all, a record has a time of no clock setting, or no record was written for too
/// long.
pub fn run() -> Result<String> {
    let dir = trial::folder()?;
    let agent = Agent::start(dir.path(), &["--probes", "poll", "-i", "lo", "-t", "2s", "-d", "2s"])?;
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    let port = sink.local_addr()?.port();
    let steady = UdpSocket::bind("127.0.0.1:0")?;
    let (mut sent, mut clocks, mut pauses) = (0, Vec::new(), Vec::new());
    for step in [0, STEP_SECONDS, -STEP_SECONDS] {
        set_clock(step)?;
        let begun_ms = sys::now_ns() / 1_000_000;
        let (datagrams, pause) = send(&steady, port, &agent)?;
        sent += datagrams;
        pauses.push(pause);
        clocks.push(begun_ms..=sys::now_ns() / 1_000_000);
    }
    let ended = agent.stop()?;
    let slow = pauses.iter().any(|pause| *pause > MAX_PAUSE);
    ensure!(!slow, "by each clock, nothing was written for {pauses:?}; the agent said:\n{}", ended.log);
    let records: Vec<_> = ended.records.iter().filter(|r| r.destination.1 == port).collect();
    judge(&records, sent, &clocks).with_context(|| format!("the agent's log:\n{}", ended.log))
}

/// Sends datagrams for the length of a phase. Returns how many, and the longest time in which no record was written. Every
/// tenth comes from a socket of its own.
fn send(steady: &UdpSocket, port: u16, agent: &Agent) -> Result<(u64, Duration)> {
    let (begun, mut sent) = (Instant::now(), 0);
    let (mut written, mut written_at, mut longest) = (agent.written()?, begun, Duration::ZERO);
    while begun.elapsed() < PHASE {
        let other = (sent % 10 == 9).then(|| UdpSocket::bind("127.0.0.1:0")).transpose()?;
        other.as_ref().unwrap_or(steady).send_to(b"steady", ("127.0.0.1", port))?;
        sent += 1;
        thread::sleep(DATAGRAM_PAUSE);
        longest = longest.max(written_at.elapsed());
        if agent.written()? > written {
            (written, written_at) = (agent.written()?, Instant::now());
        }
    }
    Ok((sent, longest))
}

fn judge(records: &[&Record], sent: u64, clocks: &[RangeInclusive<u64>]) -> Result<String> {
    let counted: u64 = records.iter().filter_map(|r| r.number("IN_PKTS")).sum();
    ensure!(counted == sent, "{sent} datagrams were sent, the records have {counted}");
    let of_clock = |time_ms: u64| {
        let is_of = |clock: &&RangeInclusive<u64>| {
            time_ms + TOLERANCE_MS >= *clock.start() && time_ms <= *clock.end() + TOLERANCE_MS
        };
        clocks.iter().position(|clock| is_of(&clock))
    };
    let ahead = |r: &&&Record| of_clock(r.last_ms) == Some(1);
    for record in records {
        let times = (record.first_ms, record.last_ms);
        ensure!(times.0 <= times.1, "a record begins after its end: {times:?}");
        let clocks = (of_clock(times.0), of_clock(times.1));
        ensure!(
            clocks.0.is_some() && clocks.1.is_some(),
            "a record at a time of no clock setting: {times:?} of {clocks:?}"
        );
    }
    let (there, back) = (records.iter().filter(ahead).count(), records.iter().filter(|r| !ahead(r)).count());
    ensure!(there >= MIN_RECORDS && back >= 2 * MIN_RECORDS, "{there} records an hour ahead, {back} before and after");
    let longest = longest_silence(records, clocks);
    ensure!(longest <= 2 * TOLERANCE_MS, "no record ends for {longest} ms");
    let ends = records.iter().filter(|r| r.end_number(Side::Source, "PROC_PID").is_some()).count();
    Ok(format!(
        "{sent} datagrams, {} records, {ends} with a source process, longest silence {longest} ms",
        records.len()
    ))
}

/// The longest time within one clock setting in which no record ends, milliseconds.
fn longest_silence(records: &[&Record], clocks: &[RangeInclusive<u64>]) -> u64 {
    let within = |clock: &RangeInclusive<u64>| {
        let mut ends: Vec<_> = records.iter().map(|r| r.last_ms).filter(|t| clock.contains(t)).collect();
        ends.extend([*clock.start(), *clock.end()]);
        ends.sort_unstable();
        ends.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).max().unwrap_or_default()
    };
    clocks.iter().map(within).max().unwrap_or_default()
}

/// Sets the wall clock `step` seconds ahead.
fn set_clock(step: i64) -> Result<()> {
    ensure!(std::path::Path::new("/modules").exists(), "the clock may be set only in a virtual machine");
    sys::step_wall_clock(step).context("set the clock")
}
