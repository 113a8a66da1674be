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
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use decode::Decoder;
use pidflow_exporters::config::SpoolConfig;
use pidflow_exporters::{
    ExportContext, ExporterConfig, ExporterSet, JsonKeys, Reloaded, Snapshot, WireVersion, sample,
};
use pidflow_schema::FlowRecord;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

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
    assert_eq!(figures(&set.shutdown(SHORT)[0]), (100, 0, 100, 0));
    drop(set);
    let receiver = collect(TcpListener::bind(address).unwrap(), 107);
    let set = ExporterSet::start(&config, &ExportContext::default()).unwrap();
    set.send(&batch(7));
    assert_eq!(figures(&set.shutdown(LONG)[0]), (107, 107, 0, 0));
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
    let end = set.shutdown(LONG);
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
    let end = set.shutdown(LONG);
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
    assert_eq!(figures(&set.shutdown(LONG)[0]), (35, 35, 0, 0));
    assert_eq!(receiver.join().unwrap(), 35);
}

#[test]
fn two_exporters_cannot_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let config = spooled(free_address(), dir.path());
    let error = ExporterSet::start(&[config.clone(), config], &ExportContext::default()).err().unwrap().to_string();
    assert!(error.contains("is in use by another exporter; give each its own folder"), "{error}");
}
