//! Captures of other projects' test suites: every packet is in one flow or in one discard reason, and the flows are
//! those that nDPI's regression results state.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "captures/records.rs"]
mod records;
#[path = "captures/walk.rs"]
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pidflow_tests::skip::skip;
use records::{Key, Sent, add, read};
use serde_json::Value;
use walk::Total;

/// Tunnels are not opened yet.
const TUNNELS: [&str; 2] = ["ndpi-gre.pcapng", "ndpi-ipv6_in_gtp.pcap"];

/// `PIDFLOW_CAPTURES`, else `../shared/captures`; none with a skip reported where that folder is absent.
fn folder(test: &str) -> Option<PathBuf> {
    let given = std::env::var_os("PIDFLOW_CAPTURES").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"));
    if folder.join("flows.jsonl").exists() {
        return Some(folder);
    }
    skip(test, &format!("no captures in {}", folder.display()));
    None
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_capture).collect();
    paths.sort();
    assert!(paths.len() > 20, "{paths:?}");
    paths
}

#[test]
fn every_packet_is_in_one_flow_or_in_one_discard_reason() {
    let Some(folder) = folder("captures/conservation") else { return };
    for capture in captures(&folder) {
        let expected = walk::count(&std::fs::read(&capture).unwrap());
        for rule in ["join", "separate"] {
            let read = read(&capture, &["--fragments", rule]);
            assert_eq!(read.total(), expected, "{} ({rule}): {}", capture.display(), read.errors);
        }
    }
}

/// The lines of `flows.jsonl` by capture.
fn stated(folder: &Path) -> BTreeMap<String, BTreeMap<Key, Sent>> {
    let mut all: BTreeMap<String, BTreeMap<Key, Sent>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("flows.jsonl")).unwrap().lines() {
        let flow: Value = serde_json::from_str(line).unwrap();
        let end = |side: &str| {
            (flow[side].as_str().unwrap().parse().unwrap(), flow[format!("{side}_port")].as_u64().unwrap())
        };
        let sent = |way: &str| Total {
            packets: flow[format!("{way}_packets")].as_u64().unwrap(),
            octets: flow[format!("{way}_bytes")].as_u64().unwrap(),
        };
        let flows = all.entry(flow["capture"].as_str().unwrap().to_owned()).or_default();
        let protocol = flow["proto_num"].as_u64().unwrap();
        add(flows, protocol, (end("client"), sent("c2s")), (end("server"), sent("s2c")));
    }
    all
}

#[test]
fn flows_are_those_that_ndpi_states() {
    let Some(folder) = folder("captures/ndpi") else { return };
    let stated = stated(&folder);
    let named: BTreeSet<String> = stated.keys().cloned().collect();
    let mut compared = 0;
    for capture in captures(&folder) {
        let name = capture.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("ndpi-") || TUNNELS.contains(&name.as_str()) {
            continue;
        }
        let read = read(&capture, &["--fragments", "separate"]);
        // A capture without a line has no flow: its packets state more octets than their frames have.
        let expected = stated.get(&name).cloned().unwrap_or_default();
        assert_eq!(read.flows(), expected, "{name}: {}", read.errors);
        compared += usize::from(named.contains(&name));
    }
    assert_eq!(compared, named.len() - TUNNELS.len());
}

#[test]
fn faults_are_counted_by_their_reason() {
    let Some(folder) = folder("captures/faults") else { return };
    let faults = [
        ("ndpi-badpackets.pcap", "ip-length-beyond-frame", 93),
        ("tcpdump-cve2015-0261-ipv6.pcap", "unknown-link-type", 2),
        ("tcpdump-802.1ad_QinQ.pcap", "non-ip-arp", 2),
        ("ndpi-icmp-tunnel.pcap", "non-ip-arp", 98),
        ("ndpi-ip_fragmented_garbage.pcap", "later-fragment", 1248),
    ];
    for (name, reason, packets) in faults {
        let read = read(&folder.join(name), &["--fragments", "separate"]);
        assert_eq!(read.discards.get(reason).map(|t| t.packets), Some(packets), "{name}: {}", read.errors);
    }
}

#[test]
fn a_capture_cut_anywhere_keeps_what_is_before() {
    let Some(folder) = folder("captures/cut") else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["ndpi-http.pcapng", "ipfixprobe-vlan.pcap"] {
        let whole = std::fs::read(folder.join(name)).unwrap();
        for length in (0..whole.len()).step_by(97) {
            let path = dir.path().join(name);
            std::fs::write(&path, &whole[..length]).unwrap();
            let read = read(&path, &[]);
            let whole = walk::count(&whole);
            assert!(read.total().packets <= whole.packets, "{name} cut at {length}");
            assert!(read.errors.lines().count() <= 3, "{name} cut at {length}: {}", read.errors);
        }
    }
}
