//! Captures of this project and of other projects' test suites: every packet is in one flow or in one discard reason,
//! and the flows are those that an independent program counted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "captures/records.rs"]
mod records;
#[path = "captures/walk.rs"]
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
use records::{Key, Sent, add, read};
use serde_json::Value;
use walk::Total;

/// First fragments with 8 bytes of TCP: nDPI needs a whole header and counts one flow without ports. The fragments have
/// ports, but random ones, so that pidflow counts a flow for each packet.
const TINY_FRAGMENTS: &str = "ndpi-ip_fragmented_garbage.pcap";

/// Its packets state more bytes than their frames have: nDPI counts no flow, but tshark does.
const BEYOND_FRAME: &str = "ndpi-badpackets.pcap";

/// The folder of captures that are in the repository; its README gives the source of each.
fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// The folder of captures whose licences do not allow copies: `PIDFLOW_CAPTURES`, else `../shared/captures`. Returns
/// none and reports a skip where that folder is absent.
fn other_folder(test: &str) -> Option<PathBuf> {
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
    assert!(paths.len() > 10, "{paths:?}");
    paths
}

fn conserves_packets(folder: &Path) {
    for capture in captures(folder) {
        let file = std::fs::read(&capture).unwrap();
        assert!(walk::is_whole(&file), "{}", capture.display());
        let expected = walk::count(&file);
        assert!(expected.packets > 0, "{}", capture.display());
        for rules in [["--fragments", "join"], ["--fragments", "separate"], ["--tunnels", "outer"]] {
            let read = read(&capture, &rules);
            assert_eq!((read.total(), read.code), (expected, 0), "{} ({rules:?}): {}", capture.display(), read.errors);
        }
    }
}

#[test]
fn every_packet_is_in_one_flow_or_in_one_discard_reason() {
    conserves_packets(&own_folder());
}

#[test]
fn every_packet_of_other_captures_is_in_one_flow_or_in_one_discard_reason() {
    if let Some(folder) = other_folder("captures/conservation") {
        conserves_packets(&folder);
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

/// `build.py` counts the flows; it shares no code with the program.
#[test]
fn flows_are_those_that_an_independent_decoder_counts() {
    let folder = own_folder();
    let stated = stated(&folder);
    for capture in captures(&folder) {
        let name = capture.file_name().unwrap().to_string_lossy().into_owned();
        let read = read(&capture, &["--fragments", "separate"]);
        assert_eq!(read.flows(), stated.get(&name).cloned().unwrap_or_default(), "{name}: {}", read.errors);
    }
    assert!(stated.len() >= 8, "{:?}", stated.keys());
}

/// Packets by the tunnel's kind and id; packets outside of tunnels have neither, and some kinds have no id.
type ByTunnel = BTreeMap<(Option<String>, Option<u64>), u64>;

fn count_in(tunnels: &mut ByTunnel, (kind, id): (&Value, &Value), packets: &Value) {
    if packets.as_u64() > Some(0) {
        *tunnels.entry((kind.as_str().map(str::to_owned), id.as_u64())).or_default() += packets.as_u64().unwrap();
    }
}

#[test]
fn tunnels_are_those_that_an_independent_decoder_finds() {
    let capture = "own-tunnels.pcap";
    let (mut stated, mut lines) = (ByTunnel::new(), 0);
    for line in std::fs::read_to_string(own_folder().join("flows.jsonl")).unwrap().lines() {
        let flow: Value = serde_json::from_str(line).unwrap();
        if flow["capture"] == capture {
            lines += 1;
            for packets in ["c2s_packets", "s2c_packets"] {
                count_in(&mut stated, (&flow["tunnel"], &flow["tunnel_id"]), &flow[packets]);
            }
        }
    }
    let read = read(&own_folder().join(capture), &["--fragments", "separate"]);
    let mut found = ByTunnel::new();
    for record in &read.records {
        count_in(&mut found, (&record["TUNNEL_KIND"], &record["UPSTREAM_TUNNEL_ID"]), &record["IN_PKTS"]);
        count_in(&mut found, (&record["TUNNEL_KIND"], &record["DOWNSTREAM_TUNNEL_ID"]), &record["OUT_PKTS"]);
    }
    assert_eq!(found, stated, "{}", read.errors);
    // The independent decoder does not know that an answer in Geneve or GTP-U may have another id.
    assert_eq!((lines, read.records.len()), (22, 20));
}

/// Each fragment of a tunnel's packet counts for the inner flow.
#[test]
fn fragments_of_a_tunnel_are_in_the_flow_inside() {
    let read = read(&own_folder().join("own-tunnels.pcap"), &[]);
    let inside = read.records.iter().find(|record| record["IPV4_SRC_ADDR"] == "10.0.0.3").unwrap();
    assert_eq!((&inside["IN_PKTS"], &inside["UPSTREAM_TUNNEL_ID"]), (&Value::from(2), &Value::from(8)));
    assert_eq!(inside["IN_BYTES"], 928, "the datagram inside, without what the tunnel adds");
}

#[test]
fn nothing_is_opened_where_tunnels_are_switched_off() {
    let read = read(&own_folder().join("own-tunnels.pcap"), &["--tunnels", "outer"]);
    let outer = ["192.0.2.1", "192.0.2.2", "10.5.0.1", "10.0.0.1"];
    for record in &read.records {
        assert!(outer.iter().any(|address| record["IPV4_SRC_ADDR"] == *address), "{record}");
        assert!(record["TUNNEL_KIND"].is_null(), "{record}");
    }
}

#[test]
fn flows_are_those_that_ndpi_states() {
    let Some(folder) = other_folder("captures/ndpi") else { return };
    let stated = stated(&folder);
    let named: BTreeSet<String> = stated.keys().cloned().collect();
    let mut compared = 0;
    for capture in captures(&folder) {
        let name = capture.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("ndpi-") {
            continue;
        }
        let read = read(&capture, &["--fragments", "separate"]);
        if name == BEYOND_FRAME {
            continue;
        }
        let expected = stated.get(&name).cloned().unwrap_or_default();
        if name == TINY_FRAGMENTS {
            assert_eq!(totals(&read.flows()), totals(&expected), "{name}: {}", read.errors);
            compared += 1;
            continue;
        }
        assert_eq!(read.flows(), expected, "{name}: {}", read.errors);
        compared += usize::from(named.contains(&name));
    }
    assert_eq!(compared, named.len());
}

/// Captures without tunnels and fragments, whose frames are cut to so many bytes, and state no other length.
const CUT: [(&str, u32); 6] = [
    ("chrissanders-tcp_retransmissions.pcapng", 60),
    ("ipfixprobe-vlan.pcap", 60),
    ("ndpi-http.pcapng", 100),
    ("ndpi-http_ipv6.pcap", 80),
    ("ndpi-kafka.pcapng", 70),
    ("ndpi-mysql.pcapng", 58),
];

/// The flows that tshark finds, by the innermost addresses and ports of each frame, and the packets whose IP header it finds too long.
fn of_tshark(capture: &Path) -> (BTreeMap<Key, Sent>, u64) {
    const FIELDS: [&str; 12] = [
        "_ws.expert.message",
        "frame.len",
        "ip.src",
        "ipv6.src",
        "ip.dst",
        "ipv6.dst",
        "tcp.srcport",
        "udp.srcport",
        "tcp.dstport",
        "udp.dstport",
        "ip.proto",
        "ipv6.nxt",
    ];
    let table = tshark::fields(capture, &["-Y", "ip || ipv6"], FIELDS);
    let (mut flows, mut longer) = (BTreeMap::new(), 0);
    for values in table.rows() {
        longer += u64::from(values[0].contains("exceeds"));
        let either = |at: usize| if values[at].is_empty() { values[at + 1] } else { values[at] };
        let end = |address: usize, port: usize| (either(address).parse().unwrap(), either(port).parse().unwrap_or(0));
        let sent = Total { packets: 1, octets: values[1].parse().unwrap() };
        let protocol = either(10).parse().unwrap();
        add(&mut flows, protocol, (end(2, 6), sent), (end(4, 8), Total::default()));
    }
    (flows, longer)
}

/// Packets of flows with [`BEYOND_FRAME`]'s element are at least as many as tshark finds too long, and all flows are tshark's.
fn counts_as_tshark(capture: &Path) {
    let read = read(capture, &[]);
    let (flows, longer) = of_tshark(capture);
    assert_eq!(read.flows(), flows, "{}: {}", capture.display(), read.errors);
    let marked = |(element, bit): (&str, u64)| {
        let records =
            read.records.iter().filter(move |record| record["IP_LENGTH_BEYOND_FRAME"].as_u64().unwrap_or(0) & bit != 0);
        records.map(|record| record[element].as_u64().unwrap()).sum::<u64>()
    };
    let marked: u64 = [("IN_PKTS", 1), ("OUT_PKTS", 2)].map(marked).iter().sum();
    assert!(longer > 0 && marked >= longer, "{}: {longer} too long, {marked} marked", capture.display());
}

#[test]
fn packets_longer_than_their_frames_are_in_the_flows_that_tshark_counts() {
    const NAME: &str = "packets_longer_than_their_frames_are_in_the_flows_that_tshark_counts";
    if Command::new("editcap").arg("-v").output().is_err() || tshark::is_missing() {
        return skip(NAME, "tshark or editcap is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, octets) in CUT {
        let folders = [own_folder()].into_iter().chain(other_folder(NAME));
        let Some(whole) = folders.map(|folder| folder.join(name)).find(|path| path.exists()) else { continue };
        let cut = dir.path().join(name);
        let options = ["-L", "-s", &octets.to_string()];
        assert!(Command::new("editcap").args(options).args([&whole, &cut]).status().unwrap().success());
        counts_as_tshark(&cut);
    }
    if let Some(folder) = other_folder(NAME) {
        counts_as_tshark(&folder.join(BEYOND_FRAME));
    }
}

/// Packets and bytes of all flows.
fn totals(flows: &BTreeMap<Key, Sent>) -> (u64, u64) {
    let both = flows.values().flatten();
    both.fold((0, 0), |sum, t| (sum.0 + t.packets, sum.1 + t.octets))
}

fn counts_faults(folder: &Path, faults: &[(&str, &str, u64)]) {
    for (name, reason, packets) in faults {
        let read = read(&folder.join(name), &["--fragments", "separate"]);
        assert_eq!(read.discards.get(*reason).map(|t| t.packets), Some(*packets), "{name}: {}", read.errors);
    }
}

#[test]
fn faults_are_counted_by_their_reason_and_number() {
    counts_faults(
        &own_folder(),
        &[
            ("tcpdump-cve2015-0261-ipv6.pcap", "unknown-link-type", 2),
            ("tcpdump-802.1ad_QinQ.pcap", "non-ip-arp", 2),
            ("own-mixed.pcap", "non-ip-arp", 1),
            ("own-mixed.pcap", "non-ip-lldp", 1),
            ("own-mixed.pcap", "non-ip-llc", 1),
            ("own-mixed.pcap", "non-ip-other", 1),
            ("own-mixed.pcap", "later-fragment", 4),
        ],
    );
    let said = |name: &str| read(&own_folder().join(name), &[]).errors;
    assert!(said("own-mixed.pcap").contains("not decoded: EtherType 0x88b8: 1"));
    assert!(said("tcpdump-cve2015-0261-ipv6.pcap").contains("not decoded: link type 8: 2"));
}

#[test]
fn faults_of_other_captures_are_counted_by_their_reason_and_number() {
    if let Some(folder) = other_folder("captures/faults") {
        counts_faults(
            &folder,
            &[("ndpi-icmp-tunnel.pcap", "non-ip-arp", 98), ("ndpi-ip_fragmented_garbage.pcap", "later-fragment", 1248)],
        );
    }
}

/// Every complete record before the cut is read, and a cut inside of a record is reported in one line.
#[test]
fn a_capture_cut_anywhere_keeps_what_is_before() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["own-mixed.pcapng", "own-mixed.pcap", "ipfixprobe-vlan.pcap"] {
        let file = std::fs::read(own_folder().join(name)).unwrap();
        for length in (0..file.len()).step_by(97).chain([1, 3, 4, 11, 23, 24, 25]) {
            let (path, cut) = (dir.path().join(name), &file[..length]);
            std::fs::write(&path, cut).unwrap();
            let (read, at_length) = (read(&path, &[]), format!("{name} cut at {length}"));
            assert_eq!(read.total(), walk::count(cut), "{at_length}: {}", read.errors);
            assert_eq!(read.code, i32::from(!walk::is_whole(cut)), "{at_length}: {}", read.errors);
            let errors: Vec<_> = read.errors.lines().filter(|line| line.starts_with("pidflow: ")).collect();
            assert_eq!(errors.len(), read.code as usize, "{at_length}: {}", read.errors);
            let words = ["ends in the middle of a record", "too short for a capture file", "the file is empty"];
            assert!(errors.iter().all(|e| words.iter().any(|w| e.contains(w))), "{at_length}: {errors:?}");
        }
    }
}

/// Version 3 of L2TP has no field for what the ends agreed on, so tshark is told: session, cookie and sublayer. Session 0: all else.
const AGREED: [(u32, &str, &str); 5] = [
    (0, "None", "None"),
    (1000, "None", "None"),
    (1001, "None", "Default L2-Specific"),
    (1002, "4 Byte Cookie", "Default L2-Specific"),
    (1003, "8 Byte Cookie", "None"),
];

/// Packets that tshark finds in L2TP and CAPWAP, by kind and id of the tunnel and the inner sender.
fn inside_by_tshark(capture: &Path) -> BTreeMap<(String, Option<u64>, String), u64> {
    let mut found = BTreeMap::new();
    for (session, cookie, sublayer) in AGREED {
        let filter = if session == 0 { "!l2tp.sid".to_owned() } else { format!("l2tp.sid == {session}") };
        let (cookie, sublayer) = (format!("l2tp.cookie_size:{cookie}"), format!("l2tp.l2_specific:{sublayer}"));
        let agreed = ["-d", "l2tp.pw_type==0,eth", "-o", &cookie, "-o", &sublayer, "-o", "capwap.swap_fc:FALSE"];
        let fields = ["frame.protocols", "l2tp.tunnel", "l2tp.session", "ip.src", "ipv6.src"];
        for values in tshark::fields(capture, &[&["-Y", &filter], &agreed[..]].concat(), fields).rows() {
            let inner = if values[4].is_empty() { values[3].split(';').nth(1) } else { Some(values[4]) };
            let Some(inner) = inner else { continue };
            let number = |at: usize| values[at].parse::<u64>().unwrap();
            let (kind, id) = match (values[0].contains("capwap"), session) {
                (true, _) => ("capwap", None),
                (false, 0) => ("l2tp", Some(number(1) << 16 | number(2))),
                (false, session) => ("l2tp", Some(u64::from(session))),
            };
            *found.entry((kind.to_owned(), id, inner.to_owned())).or_default() += 1;
        }
    }
    found
}

#[test]
fn l2tp_and_capwap_are_opened_where_tshark_opens_them() {
    if tshark::is_missing() {
        return skip("l2tp_and_capwap_are_opened_where_tshark_opens_them", "tshark is not installed");
    }
    let capture = own_folder().join("own-l2tp.pcap");
    let mut found = BTreeMap::new();
    for record in read(&capture, &[]).records.iter().filter(|record| !record["TUNNEL_KIND"].is_null()) {
        let address = |side: &str| {
            let of = |family: &str| record[format!("{family}_{side}_ADDR")].as_str();
            of("IPV4").or_else(|| of("IPV6")).unwrap().to_owned()
        };
        for (id, side, packets) in [("UPSTREAM", "SRC", "IN_PKTS"), ("DOWNSTREAM", "DST", "OUT_PKTS")] {
            let id = record[format!("{id}_TUNNEL_ID")].as_u64();
            let packets = record[packets].as_u64().filter(|packets| *packets > 0);
            let key = (record["TUNNEL_KIND"].as_str().unwrap().to_owned(), id, address(side));
            *found.entry(key).or_default() += packets.unwrap_or_default();
        }
    }
    found.retain(|_, packets| *packets > 0);
    assert_eq!(found, inside_by_tshark(&capture));
    assert_eq!(found.values().sum::<u64>(), 30);
}
