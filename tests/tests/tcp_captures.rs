//! The figures of TCP connections in captures are those that tshark finds, per flow and direction.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use serde_json::Value;

/// Sender and receiver of one direction.
type Way = ((IpAddr, u64), (IpAddr, u64));

/// The names of the figures that are compared.
const FIGURES: [&str; 7] =
    ["retransmitted", "out of order", "duplicate acks", "zero windows", "congestion marks", "mss", "scale"];
type Figures = [u64; FIGURES.len()];

/// The elements with these figures, without `IN` or `OUT`.
const ELEMENTS: [(&str, &str); FIGURES.len()] = [
    ("RETRANSMITTED_", "_PKTS"),
    ("OOORDER_", "_PKTS"),
    ("DUPLICATE_ACK_", "_PKTS"),
    ("ZERO_WINDOW_", "_PKTS"),
    ("CONGESTION_MARKED_", "_PKTS"),
    ("TCP_WIN_MSS_", ""),
    ("TCP_WIN_SCALE_", ""),
];

/// Captures in which something goes wrong, and others with many connections.
const CAPTURES: [&str; 12] = [
    "chrissanders-tcp_retransmissions.pcapng",
    "ipfixprobe-vlan.pcap",
    "ndpi-dns_doh.pcap",
    "ndpi-ftp-start-tls.pcap",
    "ndpi-gre.pcapng",
    "ndpi-http.pcapng",
    "ndpi-http_ipv6.pcap",
    "ndpi-kafka.pcapng",
    "ndpi-long_tls_certificate.pcap",
    "ndpi-mysql.pcapng",
    "zeek-Teredo.pcap",
    "zeek-erspan.pcap",
];

/// Capture, port of the sender and of the receiver, figure, its value here and in tshark, and why they differ.
type Difference = (&'static str, u64, u64, &'static str, u64, u64, &'static str);

const SEEN_BEFORE: &str = "the capture has these packets twice: their data was seen before, so it fills no gap";

const DIFFERENCES: &[Difference] = &[
    ("ndpi-ftp-start-tls.pcap", 21, 62092, "retransmitted", 14, 11, SEEN_BEFORE),
    ("ndpi-ftp-start-tls.pcap", 21, 62092, "out of order", 0, 3, SEEN_BEFORE),
];

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let given = std::env::var_os("PIDFLOW_CAPTURES").map(PathBuf::from);
    vec![given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures")), own]
}

fn capture(name: &str) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(name)).find(|path| path.exists())
}

fn records(capture: &Path) -> Vec<Value> {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--tcp-health", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    let all = String::from_utf8(output.stdout).unwrap();
    all.lines().map(|line| serde_json::from_str(line).unwrap()).filter(|r: &Value| r["PROTOCOL"] == 6).collect()
}

fn end(record: &Value, side: &str) -> (IpAddr, u64) {
    let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
    (address.unwrap().parse().unwrap(), record[format!("L4_{side}_PORT")].as_u64().unwrap())
}

/// Both directions of a record, with the word that names them in elements.
fn ways(record: &Value) -> [(Way, &'static str); 2] {
    let (source, destination) = (end(record, "SRC"), end(record, "DST"));
    [((source, destination), "IN"), ((destination, source), "OUT")]
}

fn of_pidflow(records: &[Value]) -> BTreeMap<Way, Figures> {
    let mut found = BTreeMap::new();
    for (record, (way, word)) in records.iter().flat_map(|record| ways(record).map(|way| (record, way))) {
        let sums: &mut Figures = found.entry(way).or_default();
        for (sum, (before, after)) in sums.iter_mut().zip(ELEMENTS) {
            let value = record[format!("{before}{word}{after}")].as_u64().unwrap_or_default();
            *sum = if after.is_empty() { value.max(*sum) } else { value + *sum };
        }
    }
    found
}

/// tshark's fields: addresses, ports, then one or more for each figure, which counts where any of them is there.
const ENDS: [&str; 6] = ["ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport"];
const FIELDS: [&[&str]; FIGURES.len()] = [
    &["tcp.analysis.retransmission", "tcp.analysis.fast_retransmission", "tcp.analysis.spurious_retransmission"],
    &["tcp.analysis.out_of_order"],
    &["tcp.analysis.duplicate_ack"],
    &["tcp.analysis.zero_window"],
    &["ip.dsfield.ecn", "ipv6.tclass.ecn"],
    &["tcp.options.mss_val"],
    &["tcp.options.wscale.shift"],
];

fn of_tshark(capture: &Path) -> BTreeMap<Way, Figures> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(capture).args(["-Y", "tcp", "-T", "fields", "-E", "aggregator=;"]);
    ENDS.iter().chain(FIELDS.iter().copied().flatten()).for_each(|field| _ = command.args(["-e", field]));
    let output = String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned();
    let mut found = BTreeMap::new();
    for line in output.lines() {
        let values: Vec<&str> = line.split('\t').collect();
        let sums: &mut Figures = found.entry(way_of(&values)).or_default();
        let mut at = ENDS.len();
        for (figure, fields) in FIELDS.iter().enumerate() {
            let of_packet = values[at..at + fields.len()].iter().filter(|value| !value.is_empty());
            at += fields.len();
            let value = of_packet.filter_map(|value| value.rsplit(';').next()?.parse::<u64>().ok().or(Some(1))).max();
            let Some(value) = value else { continue };
            sums[figure] = match FIGURES[figure] {
                "congestion marks" => sums[figure] + u64::from(value == 3),
                "mss" | "scale" => sums[figure].max(value),
                _ => sums[figure] + 1,
            };
        }
    }
    found
}

/// The innermost addresses: IPv6 in IPv4 is a tunnel.
fn way_of(values: &[&str]) -> Way {
    let last = |at: usize| values[at].rsplit(';').next().filter(|value| !value.is_empty());
    let port = |at: usize| last(at).unwrap().parse().unwrap();
    let address = |at: usize| last(at + 1).or_else(|| last(at)).unwrap().parse().unwrap();
    ((address(0), port(4)), (address(2), port(5)))
}

#[test]
fn figures_are_those_that_tshark_finds() {
    if Command::new("tshark").arg("-v").output().is_err() {
        return skip("figures_are_those_that_tshark_finds", "tshark is not installed");
    }
    let (mut wrong, mut events, mut explained) = (Vec::new(), 0, 0);
    for name in CAPTURES {
        let Some(path) = capture(name) else { continue };
        let (ours, theirs) = (of_pidflow(&records(&path)), of_tshark(&path));
        for (way, figures) in &ours {
            let expected = theirs.get(way).copied().unwrap_or_default();
            for (at, figure) in FIGURES.iter().enumerate() {
                let (here, there) = (figures[at], expected[at]);
                events += u64::from(here == there && here > 0 && at < 5);
                let ports = (way.0.1, way.1.1);
                let is_explained =
                    |d: &&Difference| (d.0, (d.1, d.2), d.3, d.4, d.5) == (name, ports, *figure, here, there);
                match DIFFERENCES.iter().find(is_explained) {
                    Some(_) => explained += 1,
                    None if here == there => {}
                    None => wrong.push(format!("{name} {way:?}: {figure} {here}, tshark {there}")),
                }
            }
        }
        assert!(theirs.keys().all(|way| ours.contains_key(way)), "{name}: a flow is missing");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(explained, DIFFERENCES.len(), "a difference is not there any more");
    assert!(events >= 10, "only {events} figures are compared");
}
