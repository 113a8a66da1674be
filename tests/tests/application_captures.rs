//! Names in captures: for each flow, the server name of TLS and QUIC, the first host of HTTP and the first query of DNS are those
//! that tshark finds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
use serde_json::Value;

/// Element, and the field of tshark with the same meaning.
const NAMES: [(&str, &str); 3] = [
    ("TLS_SERVER_NAME", "tls.handshake.extensions_server_name"),
    ("HTTP_HOST", "http.host"),
    ("DNS_QUERY", "dns.qry.name"),
];

/// Capture, element, number of flows, and why tshark has another name for these flows than pidflow.
const DIFFERENCES: &[(&str, &str, usize, &str)] = &[
    ("ndpi-badpackets.pcap", "DNS_QUERY", 83, "they are first fragments, whose payload is not read"),
    ("own-http2.pcap", "HTTP_HOST", 1, "tshark calls the authority of HTTP/2 otherwise"),
];

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

/// Records by flow.
fn records(capture: &Path) -> BTreeMap<Key, Value> {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    let record = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        (key(end(&record, "SRC"), end(&record, "DST")), record)
    };
    String::from_utf8(output.stdout).unwrap().lines().map(record).collect()
}

fn end(record: &Value, side: &str) -> End {
    let address = ["IPV4", "IPV6"].iter().find_map(|family| record[format!("{family}_{side}_ADDR")].as_str());
    (address.unwrap().parse().unwrap(), record[format!("L4_{side}_PORT")].as_u64().unwrap_or_default())
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
    let table = tshark::fields(capture, &["-Y", &fields.join(" || ")], ENDS.into_iter().chain(fields));
    let mut found = vec![Found::new(); fields.len()];
    for values in table.rows() {
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
    if tshark::is_missing() {
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

/// The fields of which JA4 is made, of all TLS and QUIC clients.
const OFFER: [&str; 6] = [
    "tls.handshake.version",
    "tls.handshake.ciphersuite",
    "tls.handshake.extension.type",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.sig_hash_alg",
    "tls.handshake.extensions_alpn_str",
];

/// Numbers without those that clients add by chance (RFC 8701).
fn numbers(field: &str) -> Vec<u16> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    };
    let is_grease = |n: &u16| n >> 8 == n & 0xff && n & 15 == 10;
    field.split(';').filter(|text| !text.is_empty()).map(number).filter(|n| !is_grease(n)).collect()
}

/// The first twelve digits that `sha256sum` prints.
fn sha256(text: &str) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..12].to_owned()
}

fn list(mut numbers: Vec<u16>, is_sorted: bool) -> String {
    if is_sorted {
        numbers.sort_unstable();
    }
    numbers.iter().map(|n| format!("{n:04x}")).collect::<Vec<_>>().join(",")
}

/// JA4 (FoxIO) from what tshark decodes.
fn ja4_of(is_quic: bool, offer: &[&str]) -> String {
    let [version, ciphers, extensions, versions, algorithms] = [0, 1, 2, 3, 4].map(|at| numbers(offer[at]));
    let version =
        match versions.iter().chain(&version[..1]).max().filter(|_| !versions.is_empty()).unwrap_or(&version[0]) {
            0x304 => "13",
            0x303 => "12",
            0x302 => "11",
            0x301 => "10",
            other => panic!("version {other:x}"),
        };
    let protocol = offer[5].split(';').next().unwrap();
    let alpn = match (protocol.chars().next(), protocol.chars().last()) {
        (Some(first), Some(last)) => format!("{first}{last}"),
        _ => "00".to_owned(),
    };
    let others: Vec<u16> = extensions.iter().copied().filter(|kind| ![0, 16].contains(kind)).collect();
    let further = if algorithms.is_empty() { String::new() } else { format!("_{}", list(algorithms, false)) };
    format!(
        "{}{version}{}{:02}{:02}{alpn}_{}_{}",
        if is_quic { 'q' } else { 't' },
        if extensions.contains(&0) { 'd' } else { 'i' },
        ciphers.len(),
        extensions.len(),
        sha256(&list(ciphers, true)),
        sha256(&(list(others, true) + &further)),
    )
}

#[test]
fn fingerprints_of_clients_are_those_of_what_tshark_decodes() {
    if tshark::is_missing() {
        return skip("fingerprints_of_clients_are_those_of_what_tshark_decodes", "tshark is not installed");
    }
    let (mut compared, mut over_quic) = (0, 0);
    for capture in captures() {
        let fields = ["frame.protocols"].into_iter().chain(OFFER);
        let table = tshark::fields(&capture, &["-Y", "tls.handshake.type == 1"], fields);
        let mut theirs: Vec<String> =
            table.rows().map(|values| ja4_of(values[0].contains("quic"), &values[1..])).collect();
        let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
        let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(&capture).output().unwrap();
        let records = String::from_utf8(output.stdout).unwrap();
        let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut ours: Vec<String> = records.filter_map(|r| Some(r["JA4C_HASH"].as_str()?.to_owned())).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", capture.display());
        compared += ours.len();
        over_quic += ours.iter().filter(|fingerprint| fingerprint.starts_with('q')).count();
    }
    println!("{compared} fingerprints are equal, {over_quic} of them over QUIC");
    if compared == 0 {
        skip("fingerprints_of_clients_are_those_of_what_tshark_decodes", "no capture with TLS is there");
    }
}

/// Dissectors of tshark, and the protocol's name here.
const TUNNELS: [(&str, &str); 4] = [("wg", "wireguard"), ("openvpn", "openvpn"), ("isakmp", "ipsec"), ("esp", "ipsec")];

/// By ports, the protocol of encrypted tunnels; a flow without any is left out.
fn tunnels_of_tshark(capture: &Path) -> BTreeMap<(u64, u64), String> {
    let table = tshark::fields(capture, &[], ["frame.protocols", "udp.srcport", "udp.dstport"]);
    let mut found = BTreeMap::new();
    for values in table.rows() {
        let port = |at: usize| values[at].parse::<u64>().unwrap_or_default();
        let known = TUNNELS.iter().find(|(dissector, _)| values[0].split(':').any(|layer| layer == *dissector));
        if let Some((_, name)) = known {
            found.insert((port(1).min(port(2)), port(1).max(port(2))), (*name).to_owned());
        }
    }
    found
}

#[test]
fn encrypted_tunnels_are_named_as_tshark_names_them() {
    if tshark::is_missing() {
        return skip("encrypted_tunnels_are_named_as_tshark_names_them", "tshark is not installed");
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-vpns.pcap");
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(&capture).output().unwrap();
    let records = String::from_utf8(output.stdout).unwrap();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named = records.filter_map(|record| {
        let port = |side: &str| record[format!("L4_{side}_PORT")].as_u64().unwrap();
        let ports = (port("SRC").min(port("DST")), port("SRC").max(port("DST")));
        Some((ports, record["APPLICATION_PROTOCOL"].as_str()?.to_owned()))
    });
    let (ours, mut theirs) = (named.collect::<BTreeMap<_, _>>(), tunnels_of_tshark(&capture));
    // A first message without its answer proves nothing here.
    assert_eq!(theirs.remove(&(40_005, 40_006)).as_deref(), Some("wireguard"));
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 7);
}

#[test]
fn requests_of_http_2_are_those_that_tshark_decodes() {
    if tshark::is_missing() {
        return skip("requests_of_http_2_are_those_that_tshark_decodes", "tshark is not installed");
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-http2.pcap");
    let headers = ["method", "authority", "path", "status"].map(|name| format!("http2.headers.{name}"));
    let fields = ["tcp.port"].into_iter().chain(headers.iter().map(String::as_str));
    let table = tshark::fields(&capture, &["-Y", "http2.type == 1"], fields);
    let mut theirs: BTreeMap<u64, [String; 4]> = BTreeMap::new();
    for values in table.rows() {
        let client = values[0].split(';').map(|port| port.parse().unwrap()).max().unwrap();
        let known = theirs.entry(client).or_default();
        known
            .iter_mut()
            .zip(&values[1..])
            .filter(|(_, value)| !value.is_empty())
            .for_each(|(k, v)| *k = (*v).to_owned());
    }
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(&capture).output().unwrap();
    let records = String::from_utf8(output.stdout).unwrap();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours: BTreeMap<u64, [String; 4]> = records
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let status = record["HTTP_RET_CODE"].to_string();
            let fields = [text("HTTP_METHOD"), text("HTTP_HOST"), text("HTTP_URL"), status];
            (record["L4_SRC_PORT"].as_u64().unwrap(), fields)
        })
        .collect();
    // The request of the second connection is HTTP/1, which asks for the upgrade.
    let [first, second] = [40_010, 40_011].map(|port| (&ours[&port], &theirs[&port]));
    assert_eq!(first.0, first.1);
    assert_eq!((&second.0[..3], &second.0[3]), (&["GET", "up.example", "/old"].map(str::to_owned)[..], &second.1[3]));
}

/// Times in microseconds from requests of HTTP/1 to final responses by flow, and the clients' programs. None: tshark does not say which
/// response belongs to which request, or gives a final one no time.
fn exchanges_of_tshark(capture: &Path) -> BTreeMap<Key, (Option<Vec<u64>>, String)> {
    let fields = ["http.response.code", "http.time", "http.user_agent"];
    // A message is where it begins.
    let options = ["-o", "tcp.desegment_tcp_streams:FALSE", "-Y", "http.request or http.response.code"];
    let table = tshark::fields(capture, &options, ENDS.into_iter().chain(fields));
    let mut found: BTreeMap<Key, (Option<Vec<u64>>, String)> = BTreeMap::new();
    for values in table.rows() {
        let [code, time, agent] = [8, 9, 10].map(|at| values[at]);
        let flow =
            found.entry(key(end_of(&values, 0, 1), end_of(&values, 2, 1))).or_insert((Some(Vec::new()), String::new()));
        if flow.1.is_empty() {
            agent.clone_into(&mut flow.1);
        }
        if code.is_empty() {
            continue;
        }
        match (code.starts_with('1'), time.parse::<f64>()) {
            (false, Ok(seconds)) => _ = flow.0.as_mut().map(|times| times.push((seconds * 1e6).round() as u64)),
            _ => flow.0 = None,
        }
    }
    found
}

#[test]
fn latencies_of_requests_and_clients_programs_are_those_of_tshark() {
    if tshark::is_missing() {
        return skip("latencies_of_requests_and_clients_programs_are_those_of_tshark", "tshark is not installed");
    }
    let (mut flows, mut exchanges, mut agents) = (0, 0, 0);
    for capture in captures() {
        let ours = records(&capture);
        for (key, (times, agent)) in exchanges_of_tshark(&capture) {
            // Of a mirrored port, each direction may be in a tunnel of its own, and a flow of its own.
            let Some(record) = ours.get(&key).filter(|record| record["TUNNEL_KIND"].is_null()) else { continue };
            let place = format!("{} {key:?}: {record}", capture.display());
            assert_eq!(record["HTTP_UA"].as_str().unwrap_or_default(), agent, "{place}");
            agents += usize::from(!agent.is_empty());
            let number = |name: &str| record[name].as_u64().unwrap_or_default();
            let Some(times) = times else { continue };
            let (count, sum) = (times.len() as u64, times.iter().sum::<u64>());
            assert_eq!(number("HTTP_REQUESTS"), count, "{place}");
            // Both round each time.
            assert!(number("HTTP_LATENCY_TOTAL").abs_diff(sum) <= count, "{place} {times:?}");
            assert!(
                number("HTTP_LATENCY_MAX").abs_diff(times.iter().copied().max().unwrap_or_default()) <= 1,
                "{place}"
            );
            assert!(number("HTTP_LATENCY_AVG").abs_diff(sum.checked_div(count).unwrap_or_default()) <= 1, "{place}");
            (flows, exchanges) = (flows + 1, exchanges + count);
        }
    }
    assert!(flows >= 2 && exchanges >= 6 && agents >= 3, "{flows} flows, {exchanges} exchanges, {agents} programs");
}

/// What tshark does not say: a response behind `100 Continue`, and two requests before the first response.
#[test]
fn every_request_of_a_connection_is_measured() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/recorded-http.pcap");
    let mut counts: Vec<u64> =
        records(&capture).values().map(|record| record["HTTP_REQUESTS"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 2, 4]);
}
