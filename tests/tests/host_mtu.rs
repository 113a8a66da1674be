//! IPFIX and NetFlow v9 over a path with a smaller MTU than Ethernet: the messages are as large as fit, and not
//! fragmented. The test uses a network namespace of its own and needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, WireVersion, sample};
use pidflow_tests::{skip, sys};

const MTU: usize = 1300;
const UDP: usize = 8;
const RECORDS: usize = 400;

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// Lengths of the messages that an exporter sends to this address.
fn lengths(address: &str, version: WireVersion) -> Vec<usize> {
    let socket = UdpSocket::bind(format!("{address}:0")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let to = format!("udp://{}", socket.local_addr().unwrap());
    let context = ExportContext { mode: Mode::Offline, domain: 1, ..ExportContext::default() };
    let set = ExporterSet::start(&[ExporterConfig::collector(&to, version).unwrap()], &context).unwrap();
    set.send(&sample::records(RECORDS).into());
    let end = set.shutdown(Duration::from_secs(20)).remove(0);
    assert_eq!((end.exported, end.lost_total()), (RECORDS as u64, 0), "{end:?}");
    let mut buffer = vec![0; 65_536];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).collect()
}

/// IP's own counters of the namespace.
fn fragments() -> u64 {
    let (v4, v6) =
        (std::fs::read_to_string("/proc/thread-self/net/snmp"), std::fs::read_to_string("/proc/thread-self/net/snmp6"));
    let v4 = v4.unwrap();
    let mut ip = v4.lines().filter(|l| l.starts_with("Ip:")).map(|l| l.split_whitespace().collect::<Vec<_>>());
    let (names, values) = (ip.next().unwrap(), ip.next().unwrap());
    let at = names.iter().position(|n| *n == "FragCreates").unwrap();
    let v6 = v6.unwrap();
    let v6 = v6.lines().find_map(|l| l.strip_prefix("Ip6FragCreates")).unwrap();
    values[at].parse::<u64>().unwrap() + v6.trim().parse::<u64>().unwrap()
}

#[test]
fn messages_fit_the_path() {
    if skip::without_root("messages_fit_the_path") {
        return;
    }
    // The namespace is that of this thread and of the threads it starts.
    sys::unshare(libc::CLONE_NEWNET).unwrap();
    ip(&format!("link set lo mtu {MTU} up"));
    for (address, headers) in [("127.0.0.1", 20 + UDP), ("[::1]", 40 + UDP)] {
        for version in [WireVersion::Ipfix, WireVersion::Netflow9] {
            let lengths = lengths(address, version);
            let (largest, sum) = (*lengths.iter().max().unwrap(), lengths.iter().sum::<usize>());
            assert!(largest <= MTU - headers, "{largest} bytes do not fit");
            // Records of one template follow each other; a message is closed early where the next one does not fit.
            assert!(sum / lengths.len() > MTU / 2, "{} messages for {sum} bytes", lengths.len());
        }
    }
    assert_eq!(fragments(), 0);
}
