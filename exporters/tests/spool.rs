//! Exporters that come and go while others work, and records that wait on disk meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "common/decode.rs"]
mod decode;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use decode::Decoder;
use pidflow_exporters::config::SpoolConfig;
use pidflow_exporters::{
    ExportContext, ExporterConfig, ExporterSet, JsonKeys, Loss, Reloaded, Snapshot, WireVersion, sample,
};
use pidflow_schema::FlowRecord;

const TEST_TIMEOUT: Duration = Duration::from_secs(20);
const SHORT_TIMEOUT: Duration = Duration::from_millis(100);

fn batch(n: usize) -> Arc<[FlowRecord]> {
    sample::records(n).into()
}

/// IPFIX over TCP to that address, with a spool in the folder.
fn spooled(to: SocketAddr, folder: &Path) -> ExporterConfig {
    let mut config = ExporterConfig::collector(&format!("tcp://{to}"), WireVersion::Ipfix).unwrap();
    config.delivery.spool = Some(SpoolConfig { folder: folder.into(), max_octets: 16 << 20 });
    config
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Counts the records of all connections until there were so many.
fn collect(listener: TcpListener, records: usize) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut got = 0;
        while got < records {
            got += read_connection(&mut listener.accept().unwrap().0, records - got);
        }
        got
    })
}

fn read_connection(stream: &mut impl Read, limit: usize) -> usize {
    let (mut decoder, mut header, mut got) = (Decoder::default(), [0; 4], 0);
    while got < limit && stream.read_exact(&mut header).is_ok() {
        let mut rest = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 4];
        stream.read_exact(&mut rest).unwrap();
        let message = decoder.message(&[header.as_slice(), &rest].concat());
        assert_eq!(message.header[..2], [0, 10], "the version of IPFIX");
        got += message.records.len();
    }
    got
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap().lines().count()
}

fn json(file: &Path) -> ExporterConfig {
    ExporterConfig::json(file.to_str().unwrap(), JsonKeys::Names).unwrap()
}

fn figures(s: &Snapshot) -> (u64, u64, u64, u64) {
    (s.accepted, s.exported, s.spooled, s.lost_total())
}

#[test]
fn records_wait_on_disk_for_a_receiver_that_is_away() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    let config = [spooled(address, &dir.path().join("spool"))];
    let set = ExporterSet::start(&config, &ExportContext::default()).unwrap();
    set.send(&batch(60));
    set.send(&batch(40));
    assert_eq!(figures(&set.shutdown(SHORT_TIMEOUT)[0]), (100, 0, 100, 0));
    drop(set);
    let receiver = collect(TcpListener::bind(address).unwrap(), 107);
    let set = ExporterSet::start(&config, &ExportContext::default()).unwrap();
    set.send(&batch(7));
    assert_eq!(figures(&set.shutdown(TEST_TIMEOUT)[0]), (107, 107, 0, 0));
    assert_eq!(receiver.join().unwrap(), 107);
}

#[test]
fn a_reload_keeps_what_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    let context = ExportContext::default();
    let set = ExporterSet::start(&[json(&a), json(&b)], &context).unwrap();
    set.send(&batch(10));
    let reloaded = set.reload(&[json(&c), json(&a)], &context).unwrap();
    assert_eq!(reloaded, Reloaded { kept: 1, started: 1, stopped: 1 });
    set.send(&batch(5));
    let end = set.shutdown(TEST_TIMEOUT);
    assert_eq!(end.iter().map(|s| s.exported).collect::<Vec<_>>(), [5, 15]);
    assert_eq!((lines(&a), lines(&c)), (15, 5));
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    let (spool, address) = (dir.path().join("spool"), free_address());
    let context = ExportContext::default();
    let set = ExporterSet::start(&[json(&a), spooled(address, &spool)], &context).unwrap();
    set.send(&batch(10));
    let mut other = spooled(address, &spool);
    other.queue_records = 5;
    let error = set.reload(&[json(&b), other, json(&dir.path().join("no/such/folder"))], &context).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    let receiver = collect(TcpListener::bind(address).unwrap(), 14);
    set.send(&batch(4));
    let end = set.shutdown(TEST_TIMEOUT);
    assert_eq!((end.len(), end[0].exported, figures(&end[1])), (2, 14, (14, 14, 0, 0)));
    assert_eq!((lines(&a), receiver.join().unwrap()), (14, 14));
}

#[test]
fn a_changed_exporter_goes_on_with_the_spool() {
    let (dir, away, there) = (tempfile::tempdir().unwrap(), free_address(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (spool, address) = (dir.path().join("spool"), there.local_addr().unwrap());
    let set = ExporterSet::start(&[spooled(away, &spool)], &ExportContext::default()).unwrap();
    set.send(&batch(30));
    let receiver = collect(there, 35);
    set.reload(&[spooled(address, &spool)], &ExportContext::default()).unwrap();
    set.send(&batch(5));
    assert_eq!(figures(&set.shutdown(TEST_TIMEOUT)[0]), (35, 35, 0, 0));
    assert_eq!(receiver.join().unwrap(), 35);
}

#[test]
fn two_exporters_cannot_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let config = spooled(free_address(), dir.path());
    let error = ExporterSet::start(&[config.clone(), config], &ExportContext::default()).err().unwrap().to_string();
    assert!(error.contains("each exporter needs its own"), "{error}");
}

/// A receiver over HTTP that takes connections and never answers, with a spool in the folder.
fn unanswered(listener: &TcpListener, folder: &Path) -> ExporterConfig {
    let url = format!("http://{}", listener.local_addr().unwrap());
    let table =
        format!("kind = \"clickhouse\"\nurl = \"{url}\"\nspool = \"{}\"\ntimeout-seconds = 2\n", folder.display());
    ExporterConfig::from_table(table.parse().unwrap()).unwrap()
}

/// Waits until the exporter's attempt is under way.
fn is_asked(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    stream
}

/// Sends batches of ten from a thread of its own until it is told to stop. Returns how many records those were.
fn keep_sending(set: &Arc<ExporterSet>, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (set, stop) = (set.clone(), stop.clone());
    std::thread::spawn(move || {
        let mut sent = 0;
        while !stop.load(Relaxed) {
            set.send(&batch(10));
            sent += 10;
            std::thread::sleep(Duration::from_millis(1));
        }
        sent
    })
}

#[test]
fn a_reload_while_a_receiver_hangs_loses_nothing_that_comes_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = unanswered(&hung, &dir.path().join("spool"));
    let (context, stop) = (ExportContext::default(), Arc::new(AtomicBool::new(false)));
    let set = Arc::new(ExporterSet::start(std::slice::from_ref(&config), &context).unwrap());
    let sender = keep_sending(&set, &stop);
    let _connection = is_asked(&hung);
    let mut other = config.clone();
    other.queue_records = 10_000;
    for wanted in [&other, &config, &other] {
        let reloaded = set.reload(std::slice::from_ref(wanted), &context).unwrap();
        assert_eq!(reloaded, Reloaded { kept: 0, started: 1, stopped: 1 });
        std::thread::sleep(Duration::from_millis(50));
    }
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let last = spooled(there.local_addr().unwrap(), &dir.path().join("spool"));
    set.reload(&[last], &context).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    stop.store(true, Relaxed);
    let sent = sender.join().unwrap();
    let receiver = collect(there, sent as usize);
    assert_eq!(figures(&set.shutdown(TEST_TIMEOUT)[0]), (sent, sent, 0, 0));
    assert_eq!(receiver.join().unwrap() as u64, sent);
}

/// An exporter to a receiver that will not answer, with ten records and a spool in the folder.
fn ten_for(hung: &TcpListener, dir: &Path, context: &ExportContext) -> (ExporterConfig, ExporterSet) {
    let config = unanswered(hung, &dir.join("spool"));
    let set = ExporterSet::start(std::slice::from_ref(&config), context).unwrap();
    set.send(&batch(10));
    (config, set)
}

#[test]
fn a_reload_that_fails_leaves_one_with_a_hung_receiver_at_work() {
    let (dir, hung, context) =
        (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap(), ExportContext::default());
    let (config, set) = ten_for(&hung, dir.path(), &context);
    drop(is_asked(&hung));
    let mut other = config.clone();
    other.queue_records = 10_000;
    set.reload(&[other, json(&dir.path().join("no/such/folder"))], &context).unwrap_err();
    assert_eq!(set.reload(&[config], &context).unwrap(), Reloaded { kept: 1, started: 0, stopped: 0 });
    let _still_asking = is_asked(&hung);
    assert_eq!(figures(&set.shutdown(SHORT_TIMEOUT)[0]), (10, 0, 10, 0));
}

#[test]
fn a_removed_exporter_releases_its_spool() {
    let (dir, hung, context) =
        (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap(), ExportContext::default());
    let (config, set) = ten_for(&hung, dir.path(), &context);
    let _connection = is_asked(&hung);
    assert_eq!(set.reload(&[], &context).unwrap(), Reloaded { kept: 0, started: 0, stopped: 1 });
    assert_eq!(set.reload(&[config], &context).unwrap(), Reloaded { kept: 0, started: 1, stopped: 0 });
    assert_eq!(figures(&set.shutdown(SHORT_TIMEOUT)[0]), (10, 0, 10, 0));
}

#[test]
fn exclusive_resources_are_passed_on_with_waiting_records() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flows");
    let table = format!("kind = \"zmq\"\nurl = \"tcp://{}\"\n", free_address());
    let zmq = ExporterConfig::from_table(table.parse().unwrap()).unwrap();
    let configs = |queue_records| {
        let mut all = [json(&file), zmq.clone()];
        all.iter_mut().for_each(|c| c.queue_records = queue_records);
        all
    };
    let context = ExportContext::default();
    let (set, stop) = (Arc::new(ExporterSet::start(&configs(1_000_000), &context).unwrap()), Arc::default());
    let sender = keep_sending(&set, &stop);
    for queue_records in [1_000_001, 1_000_002, 1_000_003] {
        std::thread::sleep(Duration::from_millis(100));
        let reloaded = set.reload(&configs(queue_records), &context).unwrap();
        assert_eq!(reloaded, Reloaded { kept: 0, started: 2, stopped: 2 });
    }
    stop.store(true, Relaxed);
    let sent = sender.join().unwrap();
    let end = set.shutdown(TEST_TIMEOUT);
    assert_eq!(figures(&end[0]), (sent, sent, 0, 0));
    assert_eq!((end[1].accepted, end[1].lost[Loss::NoSubscriber as usize].1), (sent, sent), "{:?}", end[1]);
    assert_eq!(lines(&file) as u64, sent);
}

#[test]
fn hung_receivers_share_the_time_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = |n: u32| unanswered(&hung, &dir.path().join(n.to_string()));
    let set = ExporterSet::start(&(0..20).map(one).collect::<Vec<_>>(), &ExportContext::default()).unwrap();
    set.send(&batch(10));
    let _connections: Vec<_> = (0..20).map(|_| is_asked(&hung)).collect();
    let (start, limit) = (Instant::now(), 5 * SHORT_TIMEOUT);
    let end = set.shutdown(limit);
    // One after the other they would take twenty times as long.
    assert!(start.elapsed() < 10 * limit, "{:?}", start.elapsed());
    assert!(end.iter().all(|s| figures(s) == (10, 0, 10, 0)), "{end:?}");
}
