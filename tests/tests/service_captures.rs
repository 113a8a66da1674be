//! Databases and brokers in captures: for each flow, protocol and first request are those that tshark decodes, no other flow is taken
//! for one of them, and nothing else of a request is in a record.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
use serde_json::Value;

/// Both ends of a flow, the lower one first.
type Key = [(IpAddr, u64); 2];
/// Protocol, and the first request if it is known.
type Service = (String, Option<String>);

/// Name of tshark, and that of OpenTelemetry.
const PROTOCOLS: [(&str, &str); 7] = [
    ("resp", "redis"),
    ("pgsql", "postgresql"),
    ("mysql", "mysql"),
    ("kafka", "kafka"),
    ("mongo", "mongodb"),
    ("amqp", "amqp"),
    ("mqtt", "mqtt"),
];
/// This version of tshark does not know the protocol; its flows are those of this port.
const NATS_PORT: u64 = 4222;
/// Capture, ports of the flow, and why the flow is not recognised although tshark names it.
const UNKNOWN: &[(&str, [u64; 2], &str)] = &[
    ("recorded-services.pcap", [6379, 34622], "the request is in several segments"),
    ("ndpi-kafka.pcapng", [9092, 53768], "no response is in the capture"),
    ("ndpi-kafka.pcapng", [9092, 58300], "no response is in the capture"),
    ("ndpi-kafka.pcapng", [9092, 53052], "no response is in the capture"),
];
/// What the requests of `recorded-services.pcap` contain.
const SECRETS: [&str; 10] = [
    "s3cr3tpass",
    "session:alice",
    "value-secret",
    "alice",
    "pa55word",
    "secretarg",
    "t0ken",
    "payload-secret",
    "mqttpass",
    "mongo-secret",
];

fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let given = std::env::var_os("PIDFLOW_CAPTURES").map(PathBuf::from);
    let others = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"));
    let files = [own, others].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    files.map(|entry| entry.unwrap().path()).filter(is_capture).collect()
}

fn read(capture: &Path) -> String {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn key(mut ends: Key) -> Key {
    ends.sort_unstable();
    ends
}

fn of_pidflow(capture: &Path) -> BTreeMap<Key, Service> {
    let known: Vec<&str> = PROTOCOLS.iter().map(|(_, name)| *name).chain(["nats"]).collect();
    let end = |record: &Value, side: &str| {
        let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
        (address.unwrap().parse().unwrap(), record[format!("L4_{side}_PORT")].as_u64().unwrap())
    };
    let service = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let protocol = record["APPLICATION_PROTOCOL"].as_str().filter(|name| known.contains(name))?.to_owned();
        let request = record["APPLICATION_REQUEST"].as_str().map(str::to_owned);
        Some((key([end(&record, "SRC"), end(&record, "DST")]), (protocol, request)))
    };
    read(capture).lines().filter_map(service).collect()
}

const FIELDS: [&str; 10] = [
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "frame.protocols",
    "pgsql.query",
    "mysql.query",
    "resp.bulk_string.value",
];

/// The first word of the first SQL statement, behind comments, or the first text of a request of Redis, which tshark prints as digits.
fn request(values: &[&str]) -> Option<String> {
    let digits = |at: usize| u8::from_str_radix(values[9].get(at..at + 2)?, 16).ok();
    let redis: String = (0..values[9].len()).step_by(2).filter_map(digits).map(char::from).collect();
    let text = [values[7], values[8], &redis].into_iter().find(|value| !value.is_empty())?;
    let text = text.rsplit("*/").next().unwrap().trim_start();
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    Some(word.to_ascii_uppercase())
}

fn of_tshark(capture: &Path) -> BTreeMap<Key, Service> {
    let options = ["-d", "tcp.port==27017,mongo", "-Y", "tcp", "-E", "occurrence=f"];
    let table = tshark::fields(capture, &options, FIELDS);
    let mut flows = BTreeMap::new();
    for values in table.rows() {
        let either = |at: usize| if values[at].is_empty() { values[at + 1] } else { values[at] };
        let end = |address: usize, port: usize| (either(address).parse().unwrap(), values[port].parse().unwrap());
        let ends: Key = [end(0, 4), end(2, 5)];
        let named = PROTOCOLS.iter().find(|(theirs, _)| values[6].split(':').any(|name| name == *theirs));
        let is_nats = ends.iter().any(|(_, port)| *port == NATS_PORT);
        let Some(name) = named.map(|(_, name)| *name).or(is_nats.then_some("nats")) else { continue };
        let known = flows.entry(key(ends)).or_insert_with(|| (name.to_owned(), None));
        if known.1.is_none() {
            known.1 = request(&values);
        }
    }
    flows
}

#[test]
fn databases_and_brokers_are_those_that_tshark_names() {
    if tshark::is_missing() {
        return skip("databases_and_brokers_are_those_that_tshark_names", "tshark is not installed");
    }
    let (mut equal, mut with_request) = (0, 0);
    for capture in captures() {
        let file = capture.file_name().unwrap().to_string_lossy().into_owned();
        let (ours, mut theirs) = (of_pidflow(&capture), of_tshark(&capture));
        let is_explained = |key: &Key| {
            UNKNOWN
                .iter()
                .any(|(name, ports, _)| *name == file && ports.iter().all(|port| key.iter().any(|end| end.1 == *port)))
        };
        let explained: Vec<Key> = theirs.keys().filter(|key| is_explained(key)).copied().collect();
        explained.iter().for_each(|key| _ = theirs.remove(key));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{file}: {ours:?}");
        for (key, (protocol, request)) in &theirs {
            assert_eq!(&ours[key].0, protocol, "{file} {key:?}");
            if request.is_some() {
                assert_eq!(&ours[key].1, request, "{file} {key:?}");
                with_request += 1;
            }
            equal += 1;
        }
    }
    assert!(equal >= 12 && with_request >= 7, "only {equal} flows are compared, {with_request} with their request");
}

/// tshark does not say it in one word.
#[test]
fn first_requests_of_brokers_and_mongodb_are_the_recorded_ones() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/recorded-services.pcap");
    let flows = of_pidflow(&capture);
    let requests = |protocol: &str| {
        let of = flows.values().filter(|(name, _)| name == protocol);
        of.map(|(_, request)| request.as_deref().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(
        (requests("nats"), requests("mongodb"), requests("mqtt")),
        (vec!["SUB"], vec!["isMaster"; 2], vec![""; 2])
    );
}

#[test]
fn nothing_but_its_kind_is_kept_of_a_request() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/recorded-services.pcap");
    let file = std::fs::read(&capture).unwrap();
    let records = read(&capture);
    for secret in SECRETS {
        assert!(file.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is not in the capture");
        assert!(!records.contains(secret), "{secret}");
    }
}
