//! What packets in captures look like: sizes, times, marks and hop limits are those that tshark prints, per flow and direction.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
use serde_json::Value;

/// Sender and receiver of one direction, and the IP protocol.
type Way = ((IpAddr, u64), (IpAddr, u64), u64);

/// Captures without fragments: IPv4 and IPv6, a VLAN, raw IP.
const CAPTURES: [&str; 11] = [
    "chrissanders-tcp_retransmissions.pcapng",
    "ipfixprobe-vlan.pcap",
    "ndpi-dns_doh.pcap",
    "ndpi-ftp-start-tls.pcap",
    "ndpi-http.pcapng",
    "ndpi-http_ipv6.pcap",
    "ndpi-kafka.pcapng",
    "ndpi-long_tls_certificate.pcap",
    "ndpi-mysql.pcapng",
    "ndpi-quic-v2.pcapng",
    "tcpdump-LINKTYPE_RAW_ipv6.pcap",
];

/// nProbe's classes of sizes, and the greatest size in each but the last.
const CLASSES: [&str; 6] = [
    "UP_TO_128_BYTES",
    "128_TO_256_BYTES",
    "256_TO_512_BYTES",
    "512_TO_1024_BYTES",
    "1024_TO_1514_BYTES",
    "OVER_1514_BYTES",
];
const LIMITS: [u64; 5] = [128, 256, 512, 1024, 1514];

/// The figures of one direction.
#[derive(Debug, PartialEq, Clone)]
struct Figures {
    sizes: Vec<u64>,
    lengths: (u64, u64),
    hops: (u64, u64),
    first_tos: u64,
    dscp_changed: u64,
    ecn_seen: u64,
    /// Shortest, longest, mean and standard deviation of the times between packets, microseconds.
    gaps: Option<[u64; 4]>,
}

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let given = std::env::var_os("PIDFLOW_CAPTURES").map(PathBuf::from);
    vec![given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures")), own]
}

fn records(capture: &Path, switch: &str) -> Vec<Value> {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--packet-figures", switch];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn end(record: &Value, side: &str) -> (IpAddr, u64) {
    let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
    (address.unwrap().parse().unwrap(), record[format!("L4_{side}_PORT")].as_u64().unwrap())
}

/// The figures of the direction that elements call `way`, and IANA's elements begin with `prefix`; none: it has no packets.
fn of_record(record: &Value, [way, prefix, tos]: [&str; 3]) -> Option<Figures> {
    let number = |name: String| record[&name].as_u64();
    let iana = |name: &str| number(format!("{prefix}{name}"));
    let gaps = ["MIN", "MAX", "AVG", "STDDEV"].map(|what| number(format!("IAT_{what}_{way}")));
    Some(Figures {
        sizes: CLASSES.iter().filter_map(|class| number(format!("NUM_PKTS_{class}_{way}"))).collect(),
        lengths: (iana("MIN_IP_PKT_LEN")?, iana("MAX_IP_PKT_LEN")?),
        hops: (iana("MIN_TTL")?, iana("MAX_TTL")?),
        first_tos: number(tos.to_owned())?,
        dscp_changed: number(format!("DSCP_CHANGED_{way}"))?,
        ecn_seen: number(format!("ECN_SEEN_{way}"))?,
        gaps: gaps[0].map(|_| gaps.map(Option::unwrap)),
    })
}

/// None: two flows have the same ends, in different tunnels or VLANs.
fn of_pidflow(records: &[Value]) -> BTreeMap<Way, Option<Figures>> {
    let mut found = BTreeMap::new();
    for record in records.iter().filter(|record| record["PROTOCOL"] == 6 || record["PROTOCOL"] == 17) {
        let (source, destination, protocol) =
            (end(record, "SRC"), end(record, "DST"), record["PROTOCOL"].as_u64().unwrap());
        let ways = [
            ((source, destination, protocol), ["IN", "", "SRC_TOS"]),
            ((destination, source, protocol), ["OUT", "REVERSE_", "DST_TOS"]),
        ];
        for (way, names) in ways {
            if let Some(figures) = of_record(record, names) {
                found.entry(way).and_modify(|known| *known = None).or_insert(Some(figures));
            }
        }
    }
    found
}

const FIELDS: [&str; 15] = [
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "udp.srcport",
    "tcp.dstport",
    "udp.dstport",
    "ip.len",
    "ipv6.plen",
    "ip.ttl",
    "ipv6.hlim",
    "ip.dsfield",
    "ipv6.tclass",
    "frame.time_epoch",
];

/// One packet: time in nanoseconds, length, hop limit, type of service.
type Seen = (u64, u64, u64, u64);

fn of_tshark(capture: &Path) -> BTreeMap<Way, Figures> {
    let table = tshark::fields(capture, &["-Y", "(tcp || udp) && !icmp && !icmpv6"], FIELDS);
    let mut packets: BTreeMap<Way, Vec<Seen>> = BTreeMap::new();
    for values in table.rows() {
        let (way, seen) = packet(&values);
        packets.entry(way).or_default().push(seen);
    }
    packets.into_iter().map(|(way, seen)| (way, figures(&seen))).collect()
}

fn number(text: &str) -> u64 {
    text.strip_prefix("0x").map_or_else(|| text.parse().unwrap(), |digits| u64::from_str_radix(digits, 16).unwrap())
}

/// The innermost headers: IPv6 in IPv4 is a tunnel, and so is UDP before TCP.
fn packet(values: &[&str]) -> (Way, Seen) {
    let last = |at: usize| values[at].rsplit(';').next().filter(|value| !value.is_empty());
    let inner = |at: usize| last(at + 1).or_else(|| last(at)).unwrap();
    let is_tcp = last(4).is_some();
    let port = |at: usize| number(if is_tcp { last(at) } else { last(at + 1) }.unwrap());
    let way = ((inner(0).parse().unwrap(), port(4)), (inner(2).parse().unwrap(), port(6)), if is_tcp { 6 } else { 17 });
    let length = last(9).map_or_else(|| number(last(8).unwrap()), |octets| number(octets) + 40);
    let (seconds, fraction) = values[14].split_once('.').unwrap();
    let time_ns = number(seconds) * 1_000_000_000 + number(fraction);
    (way, (time_ns, length, number(inner(10)), number(inner(12))))
}

fn figures(packets: &[Seen]) -> Figures {
    let class = |length: u64| LIMITS.iter().position(|limit| length <= *limit).unwrap_or(LIMITS.len());
    let extremes = |values: Vec<u64>| (*values.iter().min().unwrap(), *values.iter().max().unwrap());
    let first_tos = packets[0].3;
    Figures {
        sizes: (0..CLASSES.len()).map(|at| packets.iter().filter(|p| class(p.1) == at).count() as u64).collect(),
        lengths: extremes(packets.iter().map(|p| p.1).collect()),
        hops: extremes(packets.iter().map(|p| p.2).collect()),
        first_tos,
        dscp_changed: u64::from(packets.iter().any(|p| p.3 >> 2 != first_tos >> 2)),
        ecn_seen: packets.iter().fold(0, |seen, p| seen | 1 << (p.3 & 3)),
        gaps: gaps(packets),
    }
}

/// In two passes, unlike pidflow. A packet that is earlier than the one before counts as 0.
fn gaps(packets: &[Seen]) -> Option<[u64; 4]> {
    let mut latest = packets[0].0;
    let gaps: Vec<u64> = packets[1..]
        .iter()
        .map(|packet| {
            let gap = packet.0.saturating_sub(latest);
            latest = latest.max(packet.0);
            gap
        })
        .collect();
    let mean = gaps.iter().sum::<u64>().checked_div(gaps.len() as u64)?;
    let exact_mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
    let squares: f64 = gaps.iter().map(|gap| (*gap as f64 - exact_mean).powi(2)).sum();
    let deviation = (squares / gaps.len() as f64).sqrt() as u64;
    Some([*gaps.iter().min()?, *gaps.iter().max()?, mean, deviation].map(|ns| ns / 1000))
}

/// The standard deviation is a root, whose last digit may be rounded otherwise.
fn is_equal(ours: &Figures, theirs: &Figures) -> bool {
    let is_near = match (ours.gaps, theirs.gaps) {
        (Some(ours), Some(theirs)) => ours[..3] == theirs[..3] && ours[3].abs_diff(theirs[3]) <= 1,
        (ours, theirs) => ours == theirs,
    };
    is_near && Figures { gaps: None, ..ours.clone() } == Figures { gaps: None, ..theirs.clone() }
}

#[test]
fn packets_look_as_tshark_prints_them() {
    if tshark::is_missing() {
        return skip("packets_look_as_tshark_prints_them", "tshark is not installed");
    }
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for name in CAPTURES {
        let Some(path) = folders().into_iter().map(|folder| folder.join(name)).find(|path| path.exists()) else {
            continue;
        };
        let (ours, theirs) = (of_pidflow(&records(&path, "on")), of_tshark(&path));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (way, figures) in ours.iter().filter_map(|(way, figures)| Some((way, figures.as_ref()?))) {
            compared += 1;
            if !is_equal(figures, &theirs[way]) {
                wrong.push(format!("{name} {way:?}:\n  {figures:?}\n  {:?}", theirs[way]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{compared} directions are equal");
    if compared < 50 {
        skip(
            "packets_look_as_tshark_prints_them",
            &format!("only {compared} directions are compared: captures are missing"),
        );
    }
}

#[test]
fn both_directions_together_are_those_of_nprobe_and_without_the_option_there_are_none() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let capture = std::fs::read_dir(own).unwrap().map(|entry| entry.unwrap().path());
    for path in capture.filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng")) {
        for record in records(&path, "on") {
            let number = |name: String| record[&name].as_u64().unwrap_or_default();
            let of = |way: &str| CLASSES.map(|class| number(format!("NUM_PKTS_{class}{way}")));
            let (both, forward, reverse) = (of(""), of("_IN"), of("_OUT"));
            let packets = |way: &str| record[format!("{way}_PKTS")].as_u64().unwrap();
            assert_eq!(forward.iter().sum::<u64>(), packets("IN"), "{record}");
            assert_eq!(reverse.iter().sum::<u64>(), packets("OUT"), "{record}");
            assert!((0..CLASSES.len()).all(|at| both[at] == forward[at] + reverse[at]), "{record}");
        }
        assert!(records(&path, "off").iter().all(|record| record["NUM_PKTS_UP_TO_128_BYTES"].is_null()));
    }
}
