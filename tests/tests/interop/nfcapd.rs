//! nfcapd as the collector and nfdump as the reader of what it stored.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use pidflow_exporters::WireVersion;
use pidflow_schema::FlowRecord;

use crate::tools::Running;
use crate::{capture, tools};

/// Addresses, ports, protocol, packets and bytes.
const FORMAT: &str = "fmt:%sa;%da;%sp;%dp;%pr;%pkt;%byt";

/// The stored flows and the log of nfcapd.
pub(crate) struct Collected {
    /// The stored flows with the fields of [`FORMAT`], sorted.
    pub(crate) rows: Vec<Vec<String>>,
    /// Its log.
    pub(crate) log: String,
}

/// Sends the records to an nfcapd and reads them back.
pub(crate) fn collect(version: WireVersion, records: &[FlowRecord]) -> Collected {
    collect_from(|port| {
        capture::export(&[capture::collector(port, version)], records, 100);
    })
}

/// Collects what arrives while `send` sends to a free port.
pub(crate) fn collect_from(send: impl FnOnce(u16)) -> Collected {
    collect_at(tools::udp_port(), send)
}

/// Collects what arrives at the port while `send` sends there.
pub(crate) fn collect_at(port: u16, send: impl FnOnce(u16)) -> Collected {
    let dir = tempfile::tempdir().unwrap();
    let (flows, log) = (dir.path().join("flows"), dir.path().join("log"));
    std::fs::create_dir(&flows).unwrap();
    let out = File::create(&log).unwrap();
    let nfcapd = Command::new("nfcapd")
        .arg("-w")
        .arg(&flows)
        .args(["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600", "-B", "4000000"])
        .stderr(out.try_clone().unwrap())
        .stdout(out)
        .spawn()
        .unwrap();
    let mut nfcapd = Running(nfcapd);
    let said = || std::fs::read_to_string(&log).unwrap();
    tools::wait_for("nfcapd's start", Duration::from_secs(10), || said().contains("Startup"));
    send(port);
    tools::wait_for("nfcapd's reading", Duration::from_secs(10), || tools::is_read(port));
    nfcapd.interrupt();
    let stored = Command::new("nfdump").arg("-R").arg(&flows).args(["-6", "-q", "-N", "-o", FORMAT]).output().unwrap();
    let stored = tools::text(&stored);
    let split = |line: &str| line.split(';').map(|v| v.trim().to_owned()).collect();
    let mut rows: Vec<Vec<String>> = stored.lines().map(split).collect();
    rows.sort();
    Collected { rows, log: said() }
}
