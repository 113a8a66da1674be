//! Receives the datagrams of an exporter, and writes them to a capture file for tshark.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, Output, Snapshot, WireVersion};
use pidflow_schema::FlowRecord;

/// The longest wait for an exporter.
pub(crate) const EXPORT_TIMEOUT: Duration = Duration::from_secs(60);

/// The context of the exporters of these tests.
pub(crate) fn context() -> ExportContext {
    ExportContext { mode: Mode::Offline, domain: 42, host_name: "interop".into(), ..ExportContext::default() }
}

/// Sends the records in batches of `batch` and waits until they are exported.
pub(crate) fn export(configs: &[ExporterConfig], records: &[FlowRecord], batch: usize) -> Vec<Snapshot> {
    let set = ExporterSet::start(configs, &context()).unwrap();
    for part in records.chunks(batch) {
        set.send(&Arc::from(part));
    }
    let end = set.shutdown(EXPORT_TIMEOUT);
    for snapshot in &end {
        assert_eq!((snapshot.exported, snapshot.lost_total()), (records.len() as u64, 0), "{snapshot:?}");
    }
    end
}

/// The configuration of an exporter to a port on loopback, slow enough for any collector.
pub(crate) fn collector(port: u16, version: WireVersion) -> ExporterConfig {
    let mut config = ExporterConfig::collector(&format!("udp://127.0.0.1:{port}"), version).unwrap();
    if let Output::Ipfix(wire) | Output::Netflow9(wire) = &mut config.output {
        wire.packets_per_second = Some(2000);
    }
    config
}

/// As [`collector`], with options records.
pub(crate) fn with_options(port: u16) -> ExporterConfig {
    let mut config = collector(port, WireVersion::Ipfix);
    if let Output::Ipfix(wire) = &mut config.output {
        wire.options_records = true;
    }
    config
}

/// The datagrams that an exporter sends for the records, one batch after the other.
pub(crate) fn datagrams(records: &[FlowRecord], batch: usize, version: WireVersion) -> Vec<Vec<u8>> {
    received(records, batch, |port| collector(port, version))
}

/// As [`datagrams`], from the exporter that `config` makes for a port.
pub(crate) fn received(records: &[FlowRecord], batch: usize, config: impl Fn(u16) -> ExporterConfig) -> Vec<Vec<u8>> {
    let receiver = Receiver::new();
    export(&[config(receiver.port)], records, batch);
    receiver.finish()
}

/// Reads a socket on loopback in a thread of its own.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    done: Arc<AtomicBool>,
    reader: JoinHandle<Vec<Vec<u8>>>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (port, done) = (socket.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let told = done.clone();
        Self { port, done, reader: thread::spawn(move || read_all(&socket, &told)) }
    }

    /// The datagrams, when the exporters have sent all of them.
    pub(crate) fn finish(self) -> Vec<Vec<u8>> {
        self.done.store(true, Ordering::Release);
        self.reader.join().unwrap()
    }
}

/// Reads until `done` is set and no more datagrams arrive.
fn read_all(socket: &UdpSocket, done: &AtomicBool) -> Vec<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
    loop {
        let last = done.load(Ordering::Acquire);
        match socket.recv(&mut buffer) {
            Ok(n) => all.push(buffer[..n].to_vec()),
            Err(_) if last => return all,
            Err(_) => {}
        }
    }
}

/// A pcap file of Ethernet frames that carry the datagrams to `port`.
pub(crate) fn write_pcap(path: &Path, datagrams: &[Vec<u8>], port: u16) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (second, datagram) in datagrams.iter().enumerate() {
        let frame = frame(datagram, port);
        for word in [1_767_230_000 + second as u32, 0, frame.len() as u32, frame.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&frame);
    }
    std::fs::write(path, file).unwrap();
}

fn frame(payload: &[u8], port: u16) -> Vec<u8> {
    let udp = 8 + payload.len() as u16;
    let mut ip = vec![0x45, 0];
    ip.extend_from_slice(&(20 + udp).to_be_bytes());
    ip.extend_from_slice(&[0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    let sum: u32 = ip.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let ports = [50_000_u16, port, udp, 0].map(u16::to_be_bytes).concat();
    [vec![0; 12], vec![8, 0], ip, ports, payload.to_vec()].concat()
}
