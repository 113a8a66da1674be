//! Names in captures: for each flow, the server name of TLS and QUIC, the first host of HTTP and the first query of DNS are those
//! that tshark finds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use serde_json::Value;

/// Element, and the field of tshark with the same meaning.
const NAMES: [(&str, &str); 3] = [
    ("TLS_SERVER_NAME", "tls.handshake.extensions_server_name"),
    ("HTTP_HOST", "http.host"),
    ("DNS_QUERY", "dns.qry.name"),
];

/// Capture, element, number of flows, and why tshark has another name for these flows than pidflow.
/// Nothing is compared where pidflow discards the packets.
const DIFFERENCES: &[(&str, &str, usize, &str)] =
    &[("ndpi-badpackets.pcap", "DNS_QUERY", 83, "the packets are longer than their frames, so pidflow discards them")];

type End = (IpAddr, u64);
/// Both ends of a flow, the lower one first.
type Key = (End, End);
type Found = BTreeMap<Key, String>;

fn key(one: End, other: End) -> Key {
    if one <= other { (one, other) } else { (other, one) }
}

fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let given = std::env::var_os("PIDFLOW_CAPTURES").map(PathBuf::from);
    let others = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"));
    let files = [own, others].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).filter(is_capture).collect();
    files.sort();
    files
}

/// The values of each element by flow.
fn of_pidflow(capture: &Path) -> Vec<Found> {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    let records: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = |record: &Value, side: &str| {
        let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
        (address.unwrap().parse().unwrap(), record[format!("L4_{side}_PORT")].as_u64().unwrap_or_default())
    };
    let values = |name: &str| {
        let named =
            records.iter().filter_map(|r| Some((key(end(r, "SRC"), end(r, "DST")), r[name].as_str()?.to_owned())));
        named.collect()
    };
    NAMES.iter().map(|(name, _)| values(name)).collect()
}

/// The fields of tshark for both ends: addresses, then ports.
const ENDS: [&str; 8] =
    ["ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "udp.srcport", "tcp.dstport", "udp.dstport"];

/// The first value of each field in each flow.
fn of_tshark(capture: &Path) -> Vec<Found> {
    let fields = NAMES.map(|(_, field)| field);
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(capture).args(["-Y", &fields.join(" || "), "-T", "fields", "-E", "aggregator=;"]);
    ENDS.iter().chain(&fields).for_each(|field| _ = command.args(["-e", field]));
    let output = String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned();
    let mut found = vec![Found::new(); fields.len()];
    for line in output.lines() {
        let values: Vec<&str> = line.split('\t').collect();
        for (at, found) in found.iter_mut().enumerate() {
            if let Some(name) = values[ENDS.len() + at].split(';').next().filter(|name| !name.is_empty()) {
                found.entry(key(end_of(&values, 0, at), end_of(&values, 2, at))).or_insert(name.to_owned());
            }
        }
    }
    found
}

/// One end of the innermost headers: IPv6 in IPv4 is a tunnel, and so is UDP before TCP.
fn end_of(values: &[&str], address: usize, name: usize) -> End {
    let last = |at: usize| values[at].rsplit(';').next().filter(|value| !value.is_empty());
    let ports = if NAMES[name].0 == "HTTP_HOST" { [4, 5] } else { [5, 4] };
    let port = ports.iter().find_map(|port| last(port + address)).unwrap_or("0");
    (last(address + 1).or_else(|| last(address)).unwrap().parse().unwrap(), port.parse().unwrap())
}

#[test]
fn names_are_those_that_tshark_finds() {
    if Command::new("tshark").arg("-v").output().is_err() {
        return skip("names_are_those_that_tshark_finds", "tshark is not installed");
    }
    let (mut wrong, mut equal) = (Vec::new(), 0);
    for capture in captures() {
        let file = capture.file_name().unwrap().to_string_lossy().into_owned();
        let found = of_pidflow(&capture).into_iter().zip(of_tshark(&capture));
        for ((name, _), (ours, theirs)) in NAMES.iter().zip(found) {
            let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(key)));
            let differing: Vec<_> = keys.filter(|key| ours.get(key) != theirs.get(key)).collect();
            equal += theirs.len() - differing.iter().filter(|key| theirs.contains_key(key)).count();
            let explained = DIFFERENCES.iter().find(|(f, n, ..)| *f == file && n == name).map_or(0, |d| d.2);
            if differing.len() != explained {
                let pairs =
                    differing.iter().map(|key| format!("{key:?}: {:?}, tshark {:?}", ours.get(key), theirs.get(key)));
                wrong.push(format!("{file} {name}:\n  {}", pairs.collect::<Vec<_>>().join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal >= 10, "only {equal} names are compared");
}
