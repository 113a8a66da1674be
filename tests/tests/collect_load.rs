//! A thousand exporters at one `pidflow collect`: what is lost, memory and CPU. To measure, with an optimised binary:
//!
//! `cargo build --release -p pidflow --bin pidflow && PIDFLOW_BIN_DIR=$PWD/target/release PIDFLOW_LOAD_SECONDS=60 cargo test -p pidflow-tests \
//! --test collect_load -- --nocapture --test-threads=1`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever is not as expected ends the test")]

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use pidflow_tests::collecting::{self, Collector, free_port};

const EXPORTERS: u32 = 1000;
/// Records of each exporter in a second, each in a message of its own.
const RATE: u32 = 10;
/// How often each exporter sends its template in the whole time: every ten seconds of a minute.
const TEMPLATES: u32 = 6;
/// Element, and length, of what all templates have in one order or another.
const FIELDS: [(u16, u16); 12] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (5, 1), (6, 1), (2, 8), (1, 8), (152, 8), (153, 8), (10, 4)];

/// An exporter with its own domain, and an order of fields and a template number that few others have.
struct Exporter {
    socket: UdpSocket,
    number: u32,
    sequence: u32,
}

impl Exporter {
    fn new(number: u32, port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self { socket, number, sequence: 0 }
    }

    fn template_number(&self) -> u16 {
        256 + (self.number % 700) as u16
    }

    fn fields(&self) -> impl Iterator<Item = (u16, u16)> + use<> {
        FIELDS.into_iter().cycle().skip(self.number as usize % FIELDS.len()).take(FIELDS.len())
    }

    fn template(&self) -> Vec<u8> {
        let mut set = [self.template_number(), FIELDS.len() as u16].map(u16::to_be_bytes).concat();
        self.fields().for_each(|(id, length)| set.extend([id, length].map(u16::to_be_bytes).concat()));
        [[2_u16, set.len() as u16 + 4].map(u16::to_be_bytes).concat(), set].concat()
    }

    fn record(&self, now_ms: u64) -> Vec<u8> {
        let value = |id| match id {
            8 => u64::from(0x0a00_0000 + self.number),
            12 => u64::from(0x0a80_0000 + self.sequence % 5000),
            7 => 1024 + u64::from(self.sequence % 50_000),
            4 => 6,
            152 | 153 => now_ms,
            2 => 3,
            1 => 300,
            _ => 1,
        };
        let octets = |(id, length): (u16, u16)| value(id).to_be_bytes()[8 - usize::from(length)..].to_vec();
        let record: Vec<u8> = self.fields().flat_map(octets).collect();
        let header = [self.template_number(), record.len() as u16 + 4].map(u16::to_be_bytes).concat();
        [header, record].concat()
    }

    /// Sends a record, with the template if it is time. While nobody listens, the kernel refuses.
    fn send(&mut self, with_template: bool) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let template = if with_template { self.template() } else { Vec::new() };
        let sets = [template, self.record(now.as_millis() as u64)].concat();
        let mut message = [10, sets.len() as u16 + 16].map(u16::to_be_bytes).concat();
        message.extend([now.as_secs() as u32, self.sequence, self.number].map(u32::to_be_bytes).concat());
        message.extend(sets);
        let _ = self.socket.send(&message);
        self.sequence += 1;
    }
}

/// With its state, and one short line for each record that came out of it, in this folder.
fn start(port: u16, folder: &Path) -> Collector {
    let (address, records) = (format!("127.0.0.1:{port}"), folder.join("records"));
    let arguments = ["--netflow", &address, "--collect-state", folder.to_str().unwrap(), "-T", "%IN_PKTS", "--json"];
    Collector::start(&[arguments.as_slice(), &[records.to_str().unwrap()]].concat()).unwrap()
}

fn metric(metrics: &str, name: &str) -> u64 {
    collecting::metric(metrics, name).unwrap()
}

const RECORDS: &str = "pidflow_collect_records_total{protocol=\"ipfix\"}";
const DROPPED: &str = "pidflow_collect_dropped_by_kernel_total";

/// Sends for that many seconds at an even pace; `tick` is called ten times a second.
fn send(exporters: &mut [Exporter], seconds: u32, mut tick: impl FnMut(u32)) {
    let start = Instant::now();
    for turn in 0..seconds * RATE {
        let due = start + Duration::from_secs(1) / RATE * turn;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for exporter in &mut *exporters {
            // Not all of them at the same time.
            exporter.send((turn + exporter.number).is_multiple_of(seconds * RATE / TEMPLATES));
        }
        tick(turn);
    }
}

/// How long exporters send, seconds.
fn seconds() -> u32 {
    std::env::var("PIDFLOW_LOAD_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

#[test]
fn a_thousand_exporters() {
    let (port, folder) = (free_port().unwrap(), tempfile::tempdir().unwrap());
    let collector = start(port, folder.path());
    let mut exporters: Vec<_> = (0..EXPORTERS).map(|n| Exporter::new(n, port)).collect();
    exporters.iter_mut().for_each(|exporter| exporter.send(true));
    send(&mut exporters, seconds(), |_| {});
    std::thread::sleep(Duration::from_secs(3));
    let sent: u64 = exporters.iter().map(|e| u64::from(e.sequence)).sum();
    let (metrics, (cpu, memory)) = (collector.metrics().unwrap(), collector.used().unwrap());
    let (records, lost, dropped) =
        (metric(&metrics, RECORDS), collector.event("lost-records").unwrap(), metric(&metrics, DROPPED));
    println!(
        "{EXPORTERS} exporters, {sent} records sent: {records} received, {lost} lost, {dropped} dropped by the kernel; {cpu} CPU s, {memory} MB at most"
    );
    assert_eq!(records + lost + collector.event("unknown-template").unwrap(), sent, "{metrics}");
    assert_eq!(lost, dropped, "every message has one record");
}

/// What came of the records that were sent.
#[derive(Debug)]
struct Sum {
    sent: u64,
    /// Came out of the collectors.
    records: u64,
    /// Count as lost: the machine may be too busy to take everything from the kernel.
    lost: u64,
}

/// The collector ends in the midst by `end`, and is started again two seconds later.
///
/// `end` returns what the first one counted as lost.
fn ends_in_the_midst(end: impl Fn(Collector) -> u64) -> Sum {
    let (port, folder) = (free_port().unwrap(), tempfile::tempdir().unwrap());
    let mut collector = Some(start(port, folder.path()));
    let mut exporters: Vec<_> = (0..EXPORTERS).map(|n| Exporter::new(n, port)).collect();
    exporters.iter_mut().for_each(|exporter| exporter.send(true));
    let (half, mut first_lost) = (seconds() / 2 * RATE, 0);
    send(&mut exporters, seconds(), |turn| {
        if turn == half {
            first_lost = end(collector.take().unwrap());
        }
        if turn == half + 20 {
            collector = Some(start(port, folder.path()));
        }
    });
    // Each once more, so that a loss at the end is seen too.
    std::thread::sleep(Duration::from_secs(1));
    exporters.iter_mut().for_each(|exporter| exporter.send(false));
    std::thread::sleep(Duration::from_secs(3));
    let collector = collector.unwrap();
    let (second_lost, unknown) =
        (collector.event("lost-records").unwrap(), collector.event("unknown-template").unwrap());
    collector.stop().unwrap();
    let lines = std::fs::read(folder.path().join("records")).unwrap();
    let records = lines.iter().filter(|octet| **octet == b'\n').count() as u64;
    let sum =
        Sum { sent: exporters.iter().map(|e| u64::from(e.sequence)).sum(), records, lost: first_lost + second_lost };
    println!("{sum:?}");
    assert_eq!(unknown, 0, "templates are known");
    assert!(second_lost >= u64::from(EXPORTERS * 15), "two seconds without a collector");
    sum
}

/// No record is missing that does not count as lost. What arrived in the last seconds before it was killed counts as lost, even if it
/// came out, because nobody knows how far it came.
#[test]
fn killed_in_the_midst() {
    let Sum { sent, records, lost } = ends_in_the_midst(|collector| {
        let lost = collector.event("lost-records").unwrap();
        collector.kill().unwrap();
        lost
    });
    assert!(records + lost >= sent, "{} records are missing", sent - records - lost);
    assert!(records + lost <= sent + u64::from(EXPORTERS * RATE * 4), "{} count twice", records + lost - sent);
}

/// What was lost is exactly what counts as lost.
#[test]
fn stopped_in_the_midst() {
    let Sum { sent, records, lost } = ends_in_the_midst(|collector| {
        let summary = collector.stop().unwrap();
        let Some((_, counted)) = summary.split_once("lost-records ") else { return 0 };
        let number = counted.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(char::is_ascii_digit);
        number.collect::<String>().parse().unwrap()
    });
    assert_eq!(records + lost, sent);
}
