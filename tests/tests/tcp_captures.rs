//! The figures of TCP connections in captures are those that tshark finds, per flow and direction.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
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

/// Captures in which something goes wrong, and two with tunnels.
const CAPTURES: [&str; 7] = [
    "chrissanders-tcp_retransmissions.pcapng",
    "ndpi-ftp-start-tls.pcap",
    "ndpi-http_ipv6.pcap",
    "ndpi-kafka.pcapng",
    "ndpi-long_tls_certificate.pcap",
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
    let table = tshark::fields(capture, &["-Y", "tcp"], ENDS.iter().chain(FIELDS.iter().copied().flatten()).copied());
    let mut found = BTreeMap::new();
    for values in table.rows() {
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
    if tshark::is_missing() {
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
                events += if here == there && at < 5 { here } else { 0 };
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
    let there = DIFFERENCES.iter().filter(|difference| capture(difference.0).is_some()).count();
    assert_eq!(explained, there, "a difference is not there any more");
    // Without the other captures, only the two in the repository are compared.
    assert!(events >= 10 || there == 0, "only {events} packets are compared");
}

/// What happens to one packet of a window of ten.
#[derive(Clone, Copy)]
enum Fate {
    Arrives,
    /// It is lost before the point of capture.
    LostBefore,
    /// It is lost after the point of capture.
    LostAfter,
    /// The next one overtakes it before the point of capture.
    Overtaken,
}

const PAYLOAD: u32 = 1000;
const PER_WINDOW: u32 = 10;
/// From the point of capture to the server and back, and to the client and back, microseconds.
const TO_SERVER_US: u64 = 20_000;
const TO_CLIENT_US: u64 = 1000;

/// A capture file of one connection.
struct File {
    bytes: Vec<u8>,
    now_us: u64,
}

impl File {
    /// Link type 101: raw IP.
    fn new() -> Self {
        let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];
        Self { bytes: header.iter().flat_map(|word| word.to_le_bytes()).collect(), now_us: 1_000_000_000_000 }
    }

    /// Writes a packet of the client or the server, so many microseconds after the last one.
    fn put(
        &mut self,
        after_us: u64,
        is_from_client: bool,
        (flags, sequence, acknowledgement): (u8, u32, u32),
        payload: u32,
    ) {
        self.now_us += after_us;
        let total = 40 + payload as u16;
        let (client, server) = (([10, 0, 0, 9], 40_000_u16), ([10, 0, 0, 2], 5001_u16));
        let (from, to) = if is_from_client { (client, server) } else { (server, client) };
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        packet.extend([from.0, to.0].concat());
        packet.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
        packet.extend([sequence.to_be_bytes(), acknowledgement.to_be_bytes()].concat());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.resize(usize::from(total), 0);
        let seconds = [self.now_us / 1_000_000, self.now_us % 1_000_000].map(|part| u32::try_from(part).unwrap());
        let header = seconds.into_iter().chain([u32::from(total); 2]);
        self.bytes.extend(header.flat_map(u32::to_le_bytes));
        self.bytes.extend(packet);
    }

    /// The client sends ten packets from `first` on, and the server acknowledges each. Returns the duplicate acknowledgements.
    fn window(&mut self, first: u32, at: u32, fate: Fate) -> u64 {
        let sequence = |number: u32| first + number * PAYLOAD;
        let mut order: Vec<u32> = (0..PER_WINDOW).collect();
        match fate {
            Fate::LostBefore => _ = order.remove(at as usize),
            Fate::Overtaken => order.swap(at as usize, at as usize + 1),
            Fate::Arrives | Fate::LostAfter => {}
        }
        let begun_us = self.now_us;
        for number in order {
            self.put(100, true, (16, sequence(number), 5001), PAYLOAD);
        }
        self.now_us = begun_us + TO_SERVER_US;
        let (lost, overtaken) = match fate {
            Fate::Arrives => (None, None),
            Fate::LostBefore | Fate::LostAfter => (Some(at), None),
            Fate::Overtaken => (None, Some(at)),
        };
        for number in (0..PER_WINDOW).filter(|number| Some(*number) != lost) {
            let is_held = lost.is_some_and(|lost| number > lost);
            let next = match overtaken {
                // The one that came first is acknowledged as if nothing came; the other one completes both.
                Some(overtaken) if overtaken == number => sequence(overtaken),
                _ if is_held => sequence(at),
                _ => sequence(number + 1),
            };
            self.put(100, false, (16, 5001, next), 0);
        }
        if lost.is_some() {
            self.put(TO_CLIENT_US, true, (16, sequence(at), 5001), PAYLOAD);
            self.put(TO_SERVER_US, false, (16, 5001, sequence(PER_WINDOW)), 0);
        }
        self.now_us += TO_CLIENT_US;
        match fate {
            Fate::Arrives => 0,
            Fate::Overtaken => 1,
            Fate::LostBefore | Fate::LostAfter => u64::from(PER_WINDOW - 1 - at),
        }
    }
}

#[test]
fn known_losses_and_delays_are_found_to_the_packet() {
    const ROUNDS: u32 = 40;
    let mut file = File::new();
    file.put(0, true, (2, 1000, 0), 0);
    file.put(TO_SERVER_US, false, (18, 5000, 1001), 0);
    file.put(TO_CLIENT_US, true, (16, 1001, 5001), 0);
    let (mut next, mut duplicates) = (1001, 0);
    for round in 0..ROUNDS {
        for fate in [Fate::Arrives, Fate::LostBefore, Fate::LostAfter, Fate::Overtaken] {
            duplicates += file.window(next, 1 + round % 5, fate);
            next += PER_WINDOW * PAYLOAD;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known.pcap");
    std::fs::write(&path, &file.bytes).unwrap();
    let records = records(&path);
    let ([_, reverse], [forward_ours, reverse_ours]) =
        (ways(&records[0]).map(|(way, _)| way), ways(&records[0]).map(|(way, _)| of_pidflow(&records)[&way]));
    let round = u64::from(ROUNDS);
    assert_eq!(forward_ours[..4], [2 * round, round, 0, 0]);
    assert_eq!(reverse_ours[..4], [0, 0, duplicates, 0]);
    assert_eq!(records[0]["RETRANSMITTED_IN_BYTES"], 2 * round * u64::from(PAYLOAD));
    assert_eq!((&records[0]["LOST_IN_BYTES"], &records[0]["UNCAPTURED_IN_BYTES"]), (&Value::from(0), &Value::from(0)));
    let near = |name: &str, us: u64| records[0][name].as_u64().unwrap().abs_diff(us) * 20 <= us;
    assert!(near("TCP_RTT_MIN_IN", TO_SERVER_US) && near("TCP_RTT_SMOOTHED_IN", TO_SERVER_US), "{}", records[0]);
    assert!(near("TCP_RTT_MIN_OUT", TO_CLIENT_US), "{}", records[0]);
    if tshark::is_missing() {
        return skip("known_losses_and_delays_are_found_to_the_packet", "tshark is not installed");
    }
    let theirs = of_tshark(&path);
    assert_eq!((forward_ours, reverse_ours), (theirs[&(reverse.1, reverse.0)], theirs[&reverse]));
}
