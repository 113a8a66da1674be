//! Receivers and the exporting program are killed repeatedly: with a spool on disk every record arrives, in order,
//! except those that the program had not written to the spool when it was killed. The program counts these exactly,
//! except for a batch that was being handed over at that moment: it may have been noted or not, and is handed over
//! again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const RECORDS: u64 = 200_000;
const RECEIVER_DEATHS: u64 = 5;
const EXPORTER_DEATHS: [u64; 2] = [60_000, 130_000];
/// Records of a batch of the exporting program.
const BATCH_RECORDS: u64 = 100;
const RECEIVER_DOWNTIME: Duration = Duration::from_millis(300);

/// A process that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn chaos(arguments: &[&str]) -> (Killed, BufReader<ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (Killed(child), out)
}

fn receiver(address: &str, file: &Path) -> Killed {
    let (child, mut out) = chaos(&["receive", address, file.to_str().unwrap()]);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// The lost records that the exporter reported.
#[derive(Debug, Default)]
struct Lost {
    /// Records that were handed over to a run that was killed, and are not in the spool.
    in_crashes: u64,
    /// Records that were lost for other reasons, or are still in the spool at the end.
    otherwise: u64,
    /// The last run ended by itself.
    ended: bool,
}

impl Lost {
    /// Reads `begin accepted N exported N spooled N lost crash N …`, of a run's beginning or end.
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let begins = words[0] == "begin";
        for at in (8..words.len()).step_by(2) {
            match words[at] {
                // The count is printed at the beginning of a run, and again at its end.
                "crash" => self.in_crashes += if begins { number(at + 1) } else { 0 },
                _ => self.otherwise += number(at + 1),
            }
        }
        if !begins {
            self.ended = true;
            self.otherwise += number(6);
        }
    }
}

/// Numbers in the order in which they arrived, each once.
fn first_arrivals(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap();
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["IN_BYTES"].as_u64().unwrap();
    let mut seen = HashSet::new();
    text.lines().map(number).filter(|n| seen.insert(*n)).collect()
}

/// Exports all records, killing the exporter at some, and the receiver in between.
fn run(address: &str, spool: &Path, file: &Path) -> Lost {
    let (url, to) = (format!("http://{address}"), RECORDS.to_string());
    let mut receiving = Some(receiver(address, file));
    let (mut lost, mut handed, mut deaths) = (Lost::default(), 0, 0);
    let mut away_since = Instant::now();
    for stop in EXPORTER_DEATHS.into_iter().chain([u64::MAX]) {
        let (killed, out) = chaos(&["export", &url, spool.to_str().unwrap(), &handed.to_string(), &to]);
        let mut killed = Some(killed);
        // Reads to the end, also after the kill: what the exporter has sent is not sent again.
        for line in out.lines().map(Result::unwrap) {
            if receiving.is_none() && away_since.elapsed() >= RECEIVER_DOWNTIME {
                receiving = Some(receiver(address, file));
            }
            if let Some(n) = line.strip_prefix("sent ") {
                handed = n.parse().unwrap();
            } else if !line.starts_with("sending ") {
                lost.hear(&line);
            }
            if deaths < RECEIVER_DEATHS && handed >= (deaths + 1) * RECORDS / (RECEIVER_DEATHS + 1) {
                (receiving, away_since, deaths) = (None, Instant::now(), deaths + 1);
            }
            if handed >= stop {
                drop(killed.take());
            }
        }
    }
    assert_eq!(deaths, RECEIVER_DEATHS);
    lost
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn with_a_spool_all_records_survive_both_ends_deaths() {
    let dir = tempfile::tempdir().unwrap();
    let [spool, file]: [PathBuf; 2] = ["spool", "received"].map(|name| dir.path().join(name));
    let lost = run(&free_address(), &spool, &file);
    let arrived = first_arrivals(&file);
    let missing = RECORDS - arrived.len() as u64;
    println!("{missing} of {RECORDS} records missing; the exporter says {lost:?}");
    assert!(lost.ended && lost.otherwise == 0, "{lost:?}");
    assert!(arrived.is_sorted(), "out of order");
    let most = missing + BATCH_RECORDS * EXPORTER_DEATHS.len() as u64;
    assert!((missing..=most).contains(&lost.in_crashes), "{missing} are missing and {} were counted", lost.in_crashes);
}
