//! JSON lines over UDP, TCP and Unix sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, JsonKeys, Loss, Mode, Snapshot, sample};
use pidflow_schema::FlowRecord;

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

fn start(url: &str) -> ExporterSet {
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    ExporterSet::start(&[ExporterConfig::json(url, JsonKeys::Names).unwrap()], &context).unwrap()
}

fn export(url: &str, records: &[FlowRecord]) -> Snapshot {
    let set = start(url);
    records.chunks(50).for_each(|part| set.send(&Arc::from(part)));
    set.shutdown(TEST_TIMEOUT).remove(0)
}

fn port_of(line: &str) -> u64 {
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    object["L4_SRC_PORT"].as_u64().unwrap()
}

fn ports(records: &[FlowRecord]) -> Vec<u64> {
    records.iter().map(|r| r.flow.source_port.into()).collect()
}

fn read_lines(stream: impl Read) -> Vec<u64> {
    BufReader::new(stream).lines().map(|l| port_of(&l.unwrap())).collect()
}

#[test]
fn tcp_carries_one_line_per_record() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let reader = thread::spawn(move || read_lines(listener.accept().unwrap().0));
    let records = sample::records(500);
    let end = export(&url, &records);
    assert_eq!((end.exported, end.lost_total()), (500, 0), "{end:?}");
    assert_eq!(reader.join().unwrap(), ports(&records));
}

#[test]
fn a_unix_socket_carries_one_line_per_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flows.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let reader = thread::spawn(move || read_lines(listener.accept().unwrap().0));
    let records = sample::records(500);
    let end = export(&format!("unix://{}", path.display()), &records);
    assert_eq!((end.exported, end.lost_total()), (500, 0), "{end:?}");
    assert_eq!(reader.join().unwrap(), ports(&records));
}

/// The first connection is closed after one line; what was not acknowledged comes again over the second one.
#[test]
fn a_unix_socket_that_comes_back_gets_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flows.sock");
    let set = start(&format!("unix://{}", path.display()));
    set.send(&Arc::from(sample::records(5)));
    thread::sleep(Duration::from_millis(100));
    let listener = UnixListener::bind(&path).unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, listener.accept().unwrap().0).read_line(&mut line).unwrap();
    let reader = thread::spawn(move || read_lines(listener.accept().unwrap().0));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (5, 0), "{end:?}");
    assert!(end.retries > 0, "{end:?}");
    assert_eq!(reader.join().unwrap(), ports(&sample::records(5)));
}

#[test]
fn udp_carries_one_record_per_datagram_and_counts_what_is_too_large() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut records = sample::records(20);
    let mut process = (**records[7].source.process.as_ref().unwrap()).clone();
    process.command_line = "x".repeat(70_000).into();
    records[7].source.process = Some(Arc::new(process));
    let end = export(&format!("udp://{}", socket.local_addr().unwrap()), &records);
    let too_large = end.lost.iter().find(|(why, _)| *why == Loss::TooLarge).unwrap().1;
    assert_eq!((end.exported, too_large, end.lost_total()), (19, 1, 1), "{end:?}");
    let mut buffer = vec![0; 65_536];
    let mut got = Vec::new();
    for _ in 0..19 {
        let n = socket.recv(&mut buffer).unwrap();
        got.push(port_of(std::str::from_utf8(&buffer[..n]).unwrap()));
    }
    records.remove(7);
    assert_eq!(got, ports(&records));
}

#[test]
fn datagrams_of_a_unix_socket_find_a_receiver_that_came_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flows.sock");
    let bind = || {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    };
    let receive = |socket: &UnixDatagram| {
        let mut buffer = vec![0; 65_536];
        let n = socket.recv(&mut buffer).unwrap();
        port_of(std::str::from_utf8(&buffer[..n]).unwrap())
    };
    let (set, first) = (start(&format!("unixgram://{}", path.display())), bind());
    let batch: Arc<[FlowRecord]> = Arc::from([sample::full(1)]);
    set.send(&batch);
    assert_eq!(receive(&first), u64::from(batch[0].flow.source_port));
    drop(first);
    std::fs::remove_file(&path).unwrap();
    set.send(&batch);
    let waiting = || set.counters()[0].lost_total() == 0;
    let until = Instant::now() + TEST_TIMEOUT;
    while waiting() {
        assert!(Instant::now() < until, "{:?}", set.counters());
        thread::sleep(Duration::from_millis(20));
    }
    let second = bind();
    thread::sleep(Duration::from_millis(1100));
    set.send(&batch);
    assert_eq!(receive(&second), u64::from(batch[0].flow.source_port));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (2, 1), "{end:?}");
}

/// As a proxy does whose server is away: the kernel has acknowledged what nobody reads.
#[test]
fn what_a_receiver_cuts_off_unread_is_not_exported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let set = start(&format!("tcp://{}", listener.local_addr().unwrap()));
    let cutter = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        thread::sleep(Duration::from_millis(30));
        drop(stream);
    });
    set.send(&sample::records(5).into());
    cutter.join().unwrap();
    let end = set.shutdown(Duration::from_millis(500)).remove(0);
    assert_eq!((end.exported, end.lost_total()), (0, 5), "{end:?}");
}

#[test]
fn a_receiver_that_reads_nothing_is_given_up_in_the_configured_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let table = format!("kind = \"json\"\nurl = \"{url}\"\ntimeout-seconds = 1\nbatch-records = 50000\n");
    let config = ExporterConfig::from_table(table.parse().unwrap()).unwrap();
    let set = ExporterSet::start(&[config], &ExportContext::default()).unwrap();
    set.send(&sample::records(50_000).into());
    let start = Instant::now();
    while set.counters()[0].errors == 0 && start.elapsed() < TEST_TIMEOUT {
        thread::sleep(Duration::from_millis(20));
    }
    // By itself it would be ten seconds.
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    let _ = set.shutdown(Duration::ZERO);
}
