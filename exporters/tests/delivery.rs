//! Exporters as a whole: threads, queues, sockets and files.
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
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decode::Decoder;
use pidflow_exporters::{
    ExportContext, ExporterConfig, ExporterSet, JsonKeys, Loss, Mode, Output, Snapshot, Template, WireVersion, sample,
};
use pidflow_schema::{Attribution, FlowRecord};

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

fn batches(records: &[FlowRecord], size: usize) -> Vec<Arc<[FlowRecord]>> {
    records.chunks(size).map(Arc::from).collect()
}

fn offline() -> ExportContext {
    ExportContext { mode: Mode::Offline, ..ExportContext::default() }
}

fn lost(snapshot: &Snapshot, why: Loss) -> u64 {
    snapshot.lost.iter().find(|(w, _)| *w == why).unwrap().1
}

fn assert_balanced(snapshot: &Snapshot) {
    assert_eq!(snapshot.accepted, snapshot.exported + snapshot.lost_total(), "{snapshot:?}");
}

fn collector(version: WireVersion) -> (UdpSocket, ExporterConfig) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let config = ExporterConfig::collector(&format!("udp://{}", socket.local_addr().unwrap()), version).unwrap();
    (socket, config)
}

fn receive(socket: &UdpSocket, records: usize) -> usize {
    let (mut decoder, mut buffer, mut got) = (Decoder::default(), [0; 65_536], 0);
    while got < records {
        let n = socket.recv(&mut buffer).expect("a message within five seconds");
        got += decoder.message(&buffer[..n]).records.len();
    }
    got
}

#[test]
fn several_exporters_get_every_record() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flows.json");
    let (ipfix, ipfix_config) = collector(WireVersion::Ipfix);
    let (netflow9, netflow9_config) = collector(WireVersion::Netflow9);
    let json = ExporterConfig::json(file.to_str().unwrap(), JsonKeys::Names).unwrap();
    let set = ExporterSet::start(&[ipfix_config, netflow9_config, json], &offline()).unwrap();
    let records = sample::records(60);
    batches(&records, 7).iter().for_each(|b| set.send(b));
    let end = set.shutdown(TEST_TIMEOUT);
    assert_eq!((receive(&ipfix, 60), receive(&netflow9, 60)), (60, 60));
    assert_eq!(lines(&file), 60);
    for snapshot in &end {
        assert_eq!((snapshot.exported, snapshot.lost_total()), (60, 0), "{snapshot:?}");
    }
}

fn lines(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).unwrap().is_object()).count()
}

#[test]
fn a_collector_that_comes_back_gets_templates_first() {
    let (socket, config) = collector(WireVersion::Ipfix);
    let address = socket.local_addr().unwrap();
    drop(socket);
    let set = ExporterSet::start(&[config], &ExportContext::default()).unwrap();
    let record = || batches(&[sample::full(1)], 1).remove(0);
    for _ in 0..3 {
        set.send(&record());
        std::thread::sleep(Duration::from_millis(30));
    }
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    set.send(&record());
    assert_eq!(receive(&socket, 1), 1);
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert!(end.errors > 0, "{end:?}");
    assert_balanced(&end);
}

#[test]
fn a_single_unacknowledged_message_is_reported() {
    let (socket, config) = collector(WireVersion::Netflow9);
    drop(socket);
    let set = ExporterSet::start(&[config], &offline()).unwrap();
    set.send(&batches(&[sample::full(1)], 1).remove(0));
    assert_eq!(set.shutdown(TEST_TIMEOUT).remove(0).errors, 1);
}

#[test]
fn a_host_that_does_not_exist_is_counted_and_stops_nobody() {
    let (socket, good) = collector(WireVersion::Ipfix);
    let bad = ExporterConfig::collector("udp://does-not-exist.invalid:1", WireVersion::Ipfix).unwrap();
    let set = ExporterSet::start(&[bad, good], &ExportContext::default()).unwrap();
    batches(&sample::records(10), 10).iter().for_each(|b| set.send(b));
    assert_eq!(receive(&socket, 10), 10);
    let end = set.shutdown(TEST_TIMEOUT);
    assert_eq!((lost(&end[0], Loss::Unreachable), end[1].lost_total()), (10, 0));
    end.iter().for_each(assert_balanced);
}

#[test]
fn a_full_disk_is_counted_and_the_rest_goes_on() {
    let set = ExporterSet::start(&[ExporterConfig::json("/dev/full", JsonKeys::Names).unwrap()], &offline()).unwrap();
    batches(&sample::records(500), 100).iter().for_each(|b| set.send(b));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, lost(&end, Loss::WriteFailed)), (0, 500));
    assert!(end.errors > 0);
}

#[test]
fn a_file_that_cannot_be_created_is_reported_at_the_start() {
    let config = ExporterConfig::json("/does/not/exist/flows.json", JsonKeys::Names).unwrap();
    let error = ExporterSet::start(&[config], &offline()).err().unwrap().to_string();
    assert_eq!(error, "cannot write /does/not/exist/flows.json: No such file or directory (os error 2)");
}

#[test]
fn a_template_too_large_for_its_messages_is_reported_at_the_start() {
    let mut config = ExporterConfig::collector("udp://127.0.0.1:9", WireVersion::Netflow9).unwrap();
    if let Output::Netflow9(wire) = &mut config.output {
        wire.max_message = Some(500);
    }
    let error = ExporterSet::start(&[config], &offline()).err().unwrap().to_string();
    assert!(error.contains("`max-message` 500 is too small"), "{error}");
    let standard = ExporterConfig::collector("udp://127.0.0.1:9", WireVersion::Netflow9).unwrap();
    assert!(ExporterSet::start(&[standard], &offline()).is_ok());
}

/// Reads one connection to its end, or `limit` messages of it.
fn read_messages(listener: &TcpListener, limit: usize) -> (Vec<Vec<u8>>, TcpStream) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut messages = Vec::new();
    let mut header = [0; 4];
    while messages.len() < limit && stream.read_exact(&mut header).is_ok() {
        let mut rest = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 4];
        stream.read_exact(&mut rest).unwrap();
        messages.push([header.as_slice(), &rest].concat());
    }
    (messages, stream)
}

#[test]
fn tcp_connects_again_with_templates_and_a_new_sequence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let set = ExporterSet::start(&[ExporterConfig::collector(&url, WireVersion::Ipfix).unwrap()], &offline()).unwrap();
    let batch = |n| batches(&sample::records(n), n).remove(0);
    set.send(&batch(5));
    let mut decoder = Decoder::default();
    let (first, stream) = read_messages(&listener, 1);
    assert_eq!(first.iter().map(|m| decoder.message(m).records.len()).sum::<usize>(), 5);
    // Closed before the exporter knows that they arrived, it would send them again.
    while set.counters()[0].exported < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(stream);
    std::thread::sleep(Duration::from_millis(100));
    set.send(&batch(9));
    let reader = std::thread::spawn(move || read_messages(&listener, usize::MAX).0);
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (14, 0), "{end:?}");
    let second = reader.join().unwrap();
    let (mut decoder, mut sequence, mut records) = (Decoder::default(), 0_u32, 0);
    for message in second.iter().map(|m| decoder.message(m)) {
        assert_eq!(message.header[8..12], sequence.to_be_bytes());
        sequence += (message.records.len() + message.options.len()) as u32;
        records += message.records.len();
    }
    assert_eq!(records, 9);
}

/// The messages of a file of them.
fn split(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while !octets.is_empty() {
        let (message, rest) = octets.split_at(usize::from(u16::from_be_bytes([octets[2], octets[3]])));
        messages.push(message);
        octets = rest;
    }
    messages
}

#[test]
fn a_file_of_messages_is_one_session_and_earlier_ones_are_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flows.ipfix");
    for n in [40, 60, 20] {
        let config = ExporterConfig::collector(&format!("file:{}", path.display()), WireVersion::Ipfix).unwrap();
        let set = ExporterSet::start(&[config], &offline()).unwrap();
        // Of another kind first in each run, so that the same number would be another template.
        let records: Vec<_> = sample::records(n).into_iter().skip(n % 7).chain(sample::records(n % 7)).collect();
        batches(&records, 7).iter().for_each(|b| set.send(b));
        assert_eq!(set.shutdown(TEST_TIMEOUT).remove(0).exported, n as u64);
    }
    for (name, wanted) in [("flows.ipfix.1", 40), ("flows.ipfix.2", 60), ("flows.ipfix", 20)] {
        let octets = std::fs::read(dir.path().join(name)).unwrap();
        let (mut decoder, mut sequence) = (Decoder::default(), 0_u32);
        for message in split(&octets).into_iter().map(|m| decoder.message(m)) {
            assert_eq!(message.header[8..12], sequence.to_be_bytes(), "{name}");
            sequence += message.records.len() as u32;
        }
        assert_eq!(sequence, wanted, "{name}");
    }
}

#[test]
fn a_file_of_messages_on_a_full_disk_is_counted() {
    let config = ExporterConfig::collector("file:/dev/full", WireVersion::Ipfix).unwrap();
    let set = ExporterSet::start(&[config], &offline()).unwrap();
    batches(&sample::records(50), 50).iter().for_each(|b| set.send(b));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, lost(&end, Loss::WriteFailed)), (0, 50));
}

/// IPFIX over TCP to that listener.
fn over_tcp(listener: &TcpListener) -> ExporterConfig {
    ExporterConfig::collector(&format!("tcp://{}", listener.local_addr().unwrap()), WireVersion::Ipfix).unwrap()
}

#[test]
fn hung_and_slow_receivers_lose_their_oldest_and_slow_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let [hung, slow, quick] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let (file, mut configs) = (dir.path().join("flows.json"), [&hung, &slow, &quick].map(over_tcp).to_vec());
    configs.iter_mut().take(2).for_each(|c| c.queue_records = 1000);
    configs.push(ExporterConfig::json(file.to_str().unwrap(), JsonKeys::Names).unwrap());
    // All of them fit, however large records are.
    configs.iter_mut().skip(2).for_each(|c| (c.queue_records, c.queue_bytes) = (40_000, Some(1 << 30)));
    let set = ExporterSet::start(&configs, &ExportContext::default()).unwrap();
    let reader = std::thread::spawn(move || read_messages(&quick, usize::MAX).0);
    let slow_reader = std::thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        while stream.read(&mut [0; 1000]).is_ok_and(|n| n > 0) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let (batch, start): (Arc<[FlowRecord]>, _) = (sample::records(1000).into(), Instant::now());
    (0..40).for_each(|_| set.send(&batch));
    assert!(start.elapsed() < Duration::from_secs(5));
    // Those that take everything have it long before the others have given up anything.
    while set.counters()[2..].iter().any(|s| s.exported < 40_000) && start.elapsed() < TEST_TIMEOUT {
        std::thread::sleep(Duration::from_millis(10));
    }
    let end = set.shutdown(Duration::from_millis(300));
    for good in &end[2..] {
        assert_eq!((good.exported, good.lost_total()), (40_000, 0), "{good:?}");
    }
    for bad in &end[..2] {
        assert!(lost(bad, Loss::QueueFull) > 0 && bad.exported < 40_000, "{bad:?}");
    }
    end.iter().for_each(assert_balanced);
    drop(set);
    let mut decoder = Decoder::default();
    assert_eq!(reader.join().unwrap().iter().map(|m| decoder.message(m).records.len()).sum::<usize>(), 40_000);
    assert_eq!(lines(&file), 40_000);
    slow_reader.join().unwrap();
}

#[test]
fn omitted_records_are_counted_once_over_attempts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = over_tcp(&listener);
    config.template = Some(Template::parse("%DST_PROC_NAME").unwrap());
    let set = ExporterSet::start(&[config], &offline()).unwrap();
    let mut records = sample::records(40);
    for record in records.iter_mut().take(10) {
        *record = FlowRecord::without_processes(record.flow.clone(), Attribution::Offline);
    }
    set.send(&records.into());
    drop(listener.accept().unwrap());
    let reader = std::thread::spawn(move || read_messages(&listener, usize::MAX).0);
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    drop(set);
    let _ = reader.join().unwrap();
    assert!(lost(&end, Loss::NoElements) > 0 && end.errors > 0, "{end:?}");
    assert_balanced(&end);
}

#[test]
fn reading_files_waits_instead_of_dropping() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flows.json");
    let mut config = ExporterConfig::json(file.to_str().unwrap(), JsonKeys::Numbers).unwrap();
    config.queue_records = 100;
    let set = ExporterSet::start(&[config], &offline()).unwrap();
    let batch: Arc<[FlowRecord]> = sample::records(100).into();
    (0..50).for_each(|_| set.send(&batch));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total()), (5000, 0));
    assert_eq!(lines(&file), 5000);
}

#[test]
fn a_stopper_frees_a_sender_that_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config =
        ExporterConfig::collector(&format!("tcp://{}", listener.local_addr().unwrap()), WireVersion::Ipfix).unwrap();
    config.queue_records = 1;
    let set = ExporterSet::start(&[config], &offline()).unwrap();
    let stopper = set.stopper();
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stopper.stop_within(Duration::from_millis(100));
    });
    let batch: Arc<[FlowRecord]> = sample::records(1000).into();
    (0..100).for_each(|_| set.send(&batch));
    timer.join().unwrap();
    let end = set.shutdown(Duration::ZERO).remove(0);
    assert!(lost(&end, Loss::Shutdown) > 0, "{end:?}");
}
