//! nDPI's verdicts on captures: those of nDPI's own reader, with the same number of packets of each flow. Flows and totals are the
//! same with and without.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use serde_json::Value;

/// Capture, number of flows, and why nDPI's reader says something else of these flows, or does not have them.
const DIFFERENCES: &[(&str, usize, &str)] = &[
    ("ndpi-gre.pcapng", 1, "the reader does not open GRE"),
    ("ndpi-ip_fragmented_garbage.pcap", 1, "the reader has a flow of later fragments"),
    ("own-mixed.pcap", 1, "the reader does not open GRE"),
    ("own-mixed.pcapng", 1, "the reader does not open GRE"),
    ("own-tunnels.pcap", 15, "the reader does not open most tunnels"),
    ("tcpdump-geneve.pcap", 4, "the reader does not open Geneve"),
    ("zeek-Teredo.pcap", 2, "the reader does not open Teredo"),
];

type End = (IpAddr, u64);
/// Protocol and both ends, the lower one first.
type Key = (String, End, End);

/// What is known of a flow.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Verdict {
    name: String,
    confidence: String,
    category: String,
    risks: String,
    score: u64,
}

fn key(protocol: &str, one: End, other: End) -> Key {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    (protocol.to_owned(), low, high)
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

fn read(capture: &Path, ndpi: &str) -> Output {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--ndpi", ndpi];
    Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap()
}

fn records(capture: &Path, ndpi: &str) -> Vec<Value> {
    let output = read(capture, ndpi).stdout;
    String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn end(record: &Value, side: &str) -> End {
    let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
    let has_ports = matches!(record["PROTOCOL"].as_u64(), Some(6 | 17));
    let port = record[format!("L4_{side}_PORT")].as_u64().filter(|_| has_ports);
    (address.unwrap().parse().unwrap(), port.unwrap_or_default())
}

/// As the reader calls them.
fn protocol_name(number: u64) -> String {
    match number {
        1 => "ICMP".into(),
        6 => "TCP".into(),
        17 => "UDP".into(),
        58 => "ICMPV6".into(),
        other => other.to_string(),
    }
}

/// The different verdicts by the flow's ends; several flows of the same ends are separated by VLANs or tunnels.
fn of_pidflow(capture: &Path) -> BTreeMap<Key, BTreeSet<Verdict>> {
    let mut found: BTreeMap<Key, BTreeSet<Verdict>> = BTreeMap::new();
    for record in records(capture, "on") {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let verdict = Verdict {
            name: text("L7_PROTO_NAME"),
            confidence: text("L7_CONFIDENCE_NAME"),
            category: text("L7_PROTO_CATEGORY"),
            risks: text("L7_PROTO_RISK_NAME"),
            score: record["L7_RISK_SCORE"].as_u64().unwrap_or_default(),
        };
        let key = key(&protocol_name(record["PROTOCOL"].as_u64().unwrap()), end(&record, "SRC"), end(&record, "DST"));
        found.entry(key).or_default().insert(verdict);
    }
    found
}

/// The reader takes one packet more than it is told.
fn of_reader(capture: &Path) -> BTreeMap<Key, BTreeSet<Verdict>> {
    let output = Command::new("ndpiReader").args(["-v", "2", "-t", "-T", "14", "-U", "1", "-i"]).arg(capture).output();
    let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    let mut found: BTreeMap<Key, BTreeSet<Verdict>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('\t') && line.contains("[proto: ")) {
        let mut words = line.split_whitespace().skip(1);
        let [protocol, one, _, other] = [(); 4].map(|()| words.next().unwrap());
        found.entry(key(protocol, end_in(one), end_in(other))).or_default().insert(verdict_in(line));
    }
    found
}

/// `192.0.2.1:80` or `[2001:db8::1]:80`, before what is known of the end.
fn end_in(word: &str) -> End {
    let word = word.find("][").map_or(word, |at| &word[..at]);
    let (address, port) = word.rsplit_once(':').unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    (address.trim_matches(['[', ']']).parse().unwrap(), port.parse().unwrap())
}

fn verdict_in(line: &str) -> Verdict {
    let of = |name: &str| {
        let (_, rest) = line.split_once(&format!("[{name}: "))?;
        Some(rest.split(']').next().unwrap().to_owned())
    };
    let name = of("proto").unwrap().rsplit_once('/').unwrap().1.to_owned();
    let is_known = name != "Unknown";
    let confidence = match of("Confidence").as_deref() {
        Some("DPI") => "dpi",
        Some("DPI (cache)") => "dpi-cache",
        Some("Match by port") => "match-by-port",
        Some("Match by IP") => "match-by-ip",
        _ => "",
    };
    let risks = of("Risk").unwrap_or_default();
    let risks: Vec<&str> = risks.split("**").map(str::trim).filter(|risk| !risk.is_empty()).collect();
    let category = of("cat").map(|category| category.split('/').next().unwrap().to_owned());
    if !is_known {
        return Verdict {
            name: String::new(),
            confidence: String::new(),
            category: String::new(),
            risks: String::new(),
            score: 0,
        };
    }
    Verdict {
        name,
        confidence: confidence.into(),
        category: category.unwrap_or_else(|| "Unspecified".into()),
        risks: risks.join(","),
        score: of("Risk Score").map_or(0, |score| score.parse().unwrap()),
    }
}

fn is_missing() -> bool {
    Command::new("ndpiReader").arg("-h").output().is_err()
}

#[test]
fn verdicts_are_those_of_ndpis_own_reader() {
    if is_missing() {
        return skip("verdicts_are_those_of_ndpis_own_reader", "ndpiReader is not installed");
    }
    let (mut wrong, mut equal) = (Vec::new(), 0);
    for capture in captures() {
        let file = capture.file_name().unwrap().to_string_lossy().into_owned();
        let (ours, theirs) = (of_pidflow(&capture), of_reader(&capture));
        let differing: Vec<_> = theirs.iter().filter(|(key, theirs)| ours.get(*key) != Some(*theirs)).collect();
        equal += theirs.len() - differing.len();
        let known = DIFFERENCES.iter().find(|(name, ..)| *name == file).map_or(0, |(_, flows, _)| *flows);
        if differing.len() != known {
            let shown =
                differing.iter().take(6).map(|(key, theirs)| format!("{key:?}:\n  {:?}\n  {theirs:?}", ours.get(*key)));
            wrong.push(format!(
                "{file}: {} of {} differ\n{}",
                differing.len(),
                theirs.len(),
                shown.collect::<Vec<_>>().join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{equal} flows are equal, but:\n{}", wrong.join("\n"));
    assert!(equal > 70, "{equal}");
}

#[test]
fn flows_and_totals_are_the_same_with_and_without() {
    let without_verdicts = |mut record: Value| {
        record.as_object_mut().unwrap().retain(|name, _| !name.starts_with("L7_"));
        record
    };
    for capture in captures() {
        let [off, on] = ["off", "on"].map(|ndpi| records(&capture, ndpi));
        let [off, on] = [off, on].map(|records| records.into_iter().map(without_verdicts).collect::<Vec<_>>());
        assert_eq!(off, on, "{}", capture.display());
    }
}

/// The library is hidden in a mount namespace of the program's own.
#[test]
fn without_the_library_the_program_says_so_once_and_goes_on() {
    const NAME: &str = "without_the_library_the_program_says_so_once_and_goes_on";
    let hidden =
        "for f in $(find /usr/lib -name 'libndpi.so*'); do mount --bind /dev/null \"$f\" || exit 9; done; exec \"$@\"";
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-http2.pcap");
    let program = process::binary("pidflow").unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", hidden, "sh"])
        .arg(program)
        .args(["read", "--json", "-", "--ndpi", "on"])
        .arg(&capture)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(9) || said.contains("unshare") {
        return skip(NAME, "mount namespaces need root");
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("nDPI's library is not there")).count(), 1, "{said}");
    assert!(!output.stdout.is_empty());
}
