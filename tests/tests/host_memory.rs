//! The agent under the manifest's memory limit, with everything against it that takes memory, and receivers that take nothing.
//!
//! `PIDFLOW_FLOOD_SECONDS` (default 15) says for how long; the figures are printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pidflow_tests::cgroup::Cgroup;
use pidflow_tests::compare::{self, Outcome};
use pidflow_tests::records::Record;
use pidflow_tests::serving::Serving;
use pidflow_tests::trial::Running;
use pidflow_tests::{skip, sys};

/// That of the manifest's container.
const LIMIT: u64 = 512 << 20;
/// How long the agent may take to give memory back.
const RETURN_TIME: Duration = Duration::from_secs(60);
/// What it may keep of it, beside what it had before: full queues, because the receivers still hang (16 % of the limit), the
/// recent records, and what the allocator cannot give back.
const KEPT: u64 = LIMIT / 100 * 16 + (96 << 20);

/// Takes connections and reads nothing.
fn hung_receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address.to_string()
}

/// Takes records as JSON lines, and keeps those of the scenario's processes.
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

/// Honest exchanges for so long, and the records of them that came meanwhile and until `settle` later.
fn honest(seconds: u64, settle: Duration, records: &Mutex<Vec<Record>>, beside: impl FnOnce()) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let load = Running::start(dir.path(), &format!("load --pause-ms 100 --seconds {seconds}")).unwrap();
    beside();
    thread::sleep(Duration::from_secs(2));
    let truth = load.end().unwrap();
    thread::sleep(settle);
    compare::compare(&truth, &records.lock().unwrap())
}

fn flood(seconds: u64) {
    let scenario = pidflow_tests::process::binary("scenario").unwrap();
    let output = Command::new(scenario).args(["flood", "--seconds", &seconds.to_string()]).output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_flood_does_not_take_more_memory_than_the_manifest_allows() {
    let name = "a_flood_does_not_take_more_memory_than_the_manifest_allows";
    if skip::without_root(name) {
        return;
    }
    let Some(group) = Cgroup::with_memory_limit("pidflow-memory", LIMIT).unwrap() else {
        return skip::skip(name, "no memory cgroup can be made");
    };
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let seconds = std::env::var("PIDFLOW_FLOOD_SECONDS").map_or(15, |text| text.parse().unwrap());
    let (dir, (json, records)) = (tempfile::tempdir().unwrap(), reading_receiver());
    let enter = format!("echo $$ >{}/cgroup.procs; exec \"$@\"", group.path().display());
    let (otlp, elastic) = (format!("http://{}", hung_receiver()), format!("http://{}", hung_receiver()));
    let (clickhouse, redis) = (format!("http://{}", hung_receiver()), format!("redis://{}", hung_receiver()));
    let outputs =
        ["--json", &json, "--otlp", &otlp, "--elastic", &elastic, "--clickhouse", &clickhouse, "--redis", &redis];
    let agent = Serving::start_by(&["sh", "-c", &enter, "sh"], dir.path(), &outputs).unwrap();

    let before = memory_of(agent.pid()).0;
    let during = honest(seconds, Duration::from_secs(15), &records, || flood(seconds));
    let ready = agent.get("/readyz").unwrap().body;
    let (after, peak) = memory_of(agent.pid());
    println!("limit {LIMIT}, before {before}, peak {peak}, after {after} bytes\nduring: {during}\n/readyz:\n{ready}");
    assert_eq!(group.memory_kills().unwrap(), 0);
    assert!(peak < LIMIT, "{peak} bytes");
    assert_eq!(during.wrong, 0, "{during}");
    assert!(ready.contains("degraded") && ready.contains("lost"), "{ready}");

    let until = Instant::now() + RETURN_TIME;
    while memory_of(agent.pid()).0 > before + KEPT {
        assert!(Instant::now() < until, "{} bytes are kept after {RETURN_TIME:?}", memory_of(agent.pid()).0);
        thread::sleep(Duration::from_millis(200));
    }
    println!("{} bytes {:?} after", memory_of(agent.pid()).0, RETURN_TIME - until.duration_since(Instant::now()));
    records.lock().unwrap().clear();
    let later = honest(2, Duration::from_secs(8), &records, || ());
    assert!(later.wrong == 0 && later.missing == 0, "{later}");
    agent.stop().unwrap();
}
