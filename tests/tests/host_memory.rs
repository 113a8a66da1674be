//! The agent with the manifest's memory limit, under a load that costs memory (`scenario flood`), and with receivers
//! that read nothing.
//!
//! What is required: it never exceeds the limit and gives the memory back; each kind of loss is counted and named in
//! `/readyz` when it happens; the ledger balances. The records of the regular exchanges beside the flood are true: each
//! end has the right process or says that it is not known, and the direction is right or says that it is only that of
//! the first packet captured. Exchanges without a record are those whose packets the kernel dropped before the capture,
//! which the ledger counts. At the end a signal in the middle of a flood ends the agent within its drain time.
//!
//! `PIDFLOW_FLOOD_SECONDS` (default 12; a long run uses 300) is the length of the floods; the test prints its figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::compare::{self, Outcome};
use pidflow_tests::process::Guarded;
use pidflow_tests::records::Record;
use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::trial::Running;
use pidflow_tests::{skip, sys};
use serde_json::Value;

/// The memory limit of the manifest's container, bytes.
const MEMORY_LIMIT: u64 = 512 << 20;
/// The longest time until the agent has given memory back.
const RETURN_TIME: Duration = Duration::from_secs(60);
/// The agent's figures are a second old, and flows end after a second or two.
const SETTLE: Duration = Duration::from_secs(2);
/// The drain timeout.
const DRAIN: Duration = Duration::from_secs(3);
/// The time beyond the drain timeout that the captures need on a busy machine.
const DRAIN_MARGIN: Duration = Duration::from_secs(10);
/// The most memory, in bytes, that the agent may keep in addition to the memory that it had before: full queues,
/// because the receivers still hang (16 % of the limit), the recent records, and what the allocator cannot give back.
const MAX_KEPT_BYTES: u64 = MEMORY_LIMIT / 100 * 16 + (96 << 20);

/// A receiver that accepts connections and reads nothing.
fn hung_receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address.to_string()
}

/// A receiver of JSON lines that keeps the records of the scenario's processes.
fn reading_receiver() -> (String, Arc<Mutex<Vec<Record>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let theirs = kept.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            for line in lines.filter(|line| line.contains("\"scenario\"")) {
                theirs.lock().unwrap().extend(Record::parse(&line));
            }
        }
    });
    (format!("tcp://{address}"), kept)
}

/// Resident memory and its peak, bytes.
fn memory_of(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent is gone");
    let value = |key| status.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")).unwrap().trim();
    (value("VmRSS:").parse::<u64>().unwrap() << 10, value("VmHWM:").parse::<u64>().unwrap() << 10)
}

/// Waits until every packet so far is in a record, or dropped, which takes long on a busy machine. Then the records are
/// on the way to their receivers.
fn await_records(agent: &Serving) {
    let ledger = || agent.json("/api/ledger").unwrap();
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    thread::sleep(SETTLE);
    let come = count(&ledger()["total"]["received"]);
    eventually("every packet is in a record", || {
        let ledger = ledger();
        let (total, flows) = (&ledger["total"], &ledger["flows"]);
        Ok(count(&total["dropped"]) + count(&flows["in_records"]["packets"]) >= come)
    })
    .unwrap();
    thread::sleep(SETTLE);
}

/// Makes regular exchanges for `seconds` and compares their records.
fn honest(seconds: u64, agent: &Serving, records: &Mutex<Vec<Record>>, beside: impl FnOnce()) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let load = Running::start(dir.path(), &format!("load --pause-ms 100 --seconds {seconds}")).unwrap();
    beside();
    thread::sleep(Duration::from_secs(2));
    let truth = load.end().unwrap();
    await_records(agent);
    compare::compare(&truth, &records.lock().unwrap())
}

fn start_flood(seconds: u64) -> Guarded {
    let scenario = pidflow_tests::process::binary("scenario").unwrap();
    Guarded::new(Command::new(scenario).args(["flood", "--seconds", &seconds.to_string()]).spawn().unwrap())
}

/// Floods for `seconds`; returns the answers of `/readyz` meanwhile.
fn flood(seconds: u64, agent: &Serving) -> String {
    let (is_over, said) = (AtomicBool::new(false), Mutex::new(String::new()));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                *said.lock().unwrap() += &agent.get("/readyz").unwrap().body;
                thread::sleep(Duration::from_secs(3));
            }
        });
        let ended = start_flood(seconds).wait(Duration::from_secs(seconds + 60));
        is_over.store(true, Relaxed);
        assert!(ended.unwrap().success());
    });
    said.into_inner().unwrap()
}

/// Losses since the start, by the words with which `/readyz` begins and ends its line about them.
fn losses(agent: &Serving) -> BTreeMap<(String, String), u64> {
    let page = agent.get("/metrics").unwrap().body;
    let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
    let named = samples.filter_map(|(series, value)| {
        let (name, labels) = series.split_once('{')?;
        let texts: Vec<_> = labels.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let (stage, reason) = match (name, texts.as_slice()) {
            ("pidflow_packets_dropped_by_kernel_total", [reason]) => ("capture".to_owned(), reason),
            ("pidflow_probe_events_lost_total", [reason]) => ("probes".to_owned(), reason),
            ("pidflow_export_lost_records_total", [exporter, reason]) => (format!("exporter {exporter}"), reason),
            _ => return None,
        };
        Some(((stage, reason.clone()), value.parse().unwrap()))
    });
    named.filter(|(_, count)| *count > 0).collect()
}

/// Asserts that no record is wrong, and that the exchanges without a record may be among the losses in the ledger.
fn check_honest(during: &Outcome, records: &[Record], losses: &BTreeMap<(String, String), u64>) {
    assert_eq!(during.wrong, 0, "{during}");
    assert!(during.right > 0, "{during}");
    let step = records.iter().find(|record| record.text("FLOW_END_DETAIL") == Some("clock-step"));
    assert!(step.is_none(), "nobody set the clock: {step:?}");
    let lost = |of: &str| losses.iter().filter(|((stage, _), _)| stage.starts_with(of)).map(|(_, n)| n).sum::<u64>();
    let (packets, lost_records) = (lost("capture"), lost("exporter json"));
    // An exchange has at least two packets.
    let possible = packets / 2 + lost_records;
    assert!(during.unrecorded as u64 <= possible, "{packets} packets, {lost_records} records were lost, of {during}");
}

/// A signal in the middle of a flood.
fn end_within_the_drain_time(agent: Serving) {
    let mut flood = start_flood(5);
    thread::sleep(Duration::from_secs(3));
    let begun = Instant::now();
    agent.stop().unwrap();
    println!("ended {:?} after SIGTERM", begun.elapsed());
    assert!(begun.elapsed() < DRAIN + DRAIN_MARGIN, "{:?}", begun.elapsed());
    assert!(flood.wait(Duration::from_secs(60)).unwrap().success());
}

#[test]
fn a_flood_does_not_take_more_memory_than_the_manifest_allows() {
    let name = "a_flood_does_not_take_more_memory_than_the_manifest_allows";
    if skip::without_root(name) {
        return;
    }
    let Some(group) = Cgroup::with_memory_limit("pidflow-memory", MEMORY_LIMIT).unwrap() else {
        return skip::skip(name, "no memory cgroup can be made");
    };
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let seconds = std::env::var("PIDFLOW_FLOOD_SECONDS").map_or(12, |text| text.parse().unwrap());
    let (dir, (json, records)) = (tempfile::tempdir().unwrap(), reading_receiver());
    let enter = format!("echo $$ >{}/cgroup.procs; exec \"$@\"", group.path().display());
    let hung = [("--otlp", "http"), ("--elastic", "http"), ("--clickhouse", "http"), ("--redis", "redis")];
    let hung: Vec<_> = hung.map(|(option, scheme)| (option, format!("{scheme}://{}", hung_receiver()))).into();
    let drain = format!("{}s", DRAIN.as_secs());
    let mut outputs = vec!["--json", &json, "--drain-timeout", &drain];
    outputs.extend(hung.iter().flat_map(|(option, url)| [*option, url.as_str()]));
    let agent = Serving::start_by(&["sh", "-c", &enter, "sh"], dir.path(), &outputs).unwrap();

    let (before, mut said) = (memory_of(agent.pid()).0, String::new());
    let during = honest(seconds, &agent, &records, || said = flood(seconds, &agent));
    let (losses, (after, peak)) = (losses(&agent), memory_of(agent.pid()));
    said += &agent.get("/readyz").unwrap().body;
    let ledger = agent.json("/api/ledger").unwrap();
    println!(
        "limit {MEMORY_LIMIT}, before {before}, peak {peak}, after {after} bytes\nduring: {during}\nlost: {losses:#?}"
    );
    println!("ledger: {} {}", ledger["total"], ledger["flows"]);
    assert_eq!(group.memory_kills().unwrap(), 0);
    assert!(peak < MEMORY_LIMIT, "{peak} bytes");
    check_honest(&during, &records.lock().unwrap(), &losses);
    assert_eq!(ledger["gaps"].as_array().map(Vec::len), Some(0), "{}", ledger["gaps"]);
    for (stage, reason) in losses.keys() {
        let is_named = |line: &str| line.contains(&format!(" {stage}: ")) && line.ends_with(&format!("({reason})"));
        assert!(said.lines().any(is_named), "{stage}, {reason} is not in\n{said}");
    }
    for (_, url) in &hung {
        assert!(losses.keys().any(|(stage, _)| stage.contains(url)), "{url} hangs: {losses:?}");
    }

    let until = Instant::now() + RETURN_TIME;
    while memory_of(agent.pid()).0 > before + MAX_KEPT_BYTES {
        assert!(Instant::now() < until, "{} bytes are kept after {RETURN_TIME:?}", memory_of(agent.pid()).0);
        thread::sleep(Duration::from_millis(200));
    }
    println!("{} bytes {:?} after", memory_of(agent.pid()).0, RETURN_TIME - until.duration_since(Instant::now()));
    records.lock().unwrap().clear();
    let later = honest(2, &agent, &records, || ());
    println!("later: {later}");
    assert!(later.wrong == 0 && later.missing == 0, "{later}");
    end_within_the_drain_time(agent);
}
