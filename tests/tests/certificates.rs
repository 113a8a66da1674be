//! Certificates in captures: those that tshark finds, as OpenSSL reads them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pidflow_tests::process;
use pidflow_tests::skip::skip;
use pidflow_tests::tshark;
use serde_json::Value;

/// Capture, and how many certificates of servers tshark finds in it and pidflow does not, and why.
const MISSING: &[(&str, usize, &str)] = &[];

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

/// Certificates by the port of the client, which is enough in these captures.
fn of_pidflow(capture: &Path) -> BTreeMap<String, Value> {
    let arguments = ["read", "--json", "-", "-d", "0", "-t", "0", "--application-names", "on"];
    let output = Command::new(process::binary("pidflow").unwrap()).args(arguments).arg(capture).output().unwrap();
    let records = String::from_utf8(output.stdout).unwrap();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let with_certificate = records.filter(|record| !record["TLS_CERT_SHA256"].is_null());
    with_certificate.map(|record| (record["L4_SRC_PORT"].to_string(), record)).collect()
}

/// The first certificate that each server sends, in hexadecimal digits.
fn of_tshark(capture: &Path) -> BTreeMap<String, String> {
    let fields = ["tcp.srcport", "tcp.dstport", "tls.handshake.certificate"];
    let table = tshark::fields(capture, &["-Y", "tls.handshake.certificate"], fields);
    let mut found = BTreeMap::new();
    for row in table.rows() {
        let [source, client, certificates] = [0, 1, 2].map(|at| row[at]);
        let is_server = source.parse().is_ok_and(|port: u16| port < 1024);
        if is_server {
            found.entry(client.to_owned()).or_insert(certificates.split(';').next().unwrap().to_owned());
        }
    }
    found
}

/// Fingerprint, end of validity as OpenSSL writes it, subject and issuer.
fn openssl(hexadecimal: &str) -> Vec<String> {
    let bytes: Vec<u8> = (0..hexadecimal.len() / 2)
        .map(|at| u8::from_str_radix(&hexadecimal[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let arguments = [
        "x509",
        "-inform",
        "der",
        "-noout",
        "-fingerprint",
        "-sha256",
        "-enddate",
        "-subject",
        "-issuer",
        "-dateopt",
        "iso_8601",
    ];
    let mut child =
        Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    output.lines().map(|line| line.split_once('=').unwrap().1.trim().to_owned()).collect()
}

/// Names without blanks and quotes, which both set in their own way.
fn bare(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '"' | '\\')).collect()
}

#[test]
fn certificates_are_those_that_tshark_and_openssl_read() {
    const NAME: &str = "certificates_are_those_that_tshark_and_openssl_read";
    if tshark::is_missing() || Command::new("openssl").arg("version").output().is_err() {
        return skip(NAME, "tshark or openssl is not installed");
    }
    let mut equal = 0;
    for capture in captures() {
        let file = capture.file_name().unwrap().to_string_lossy().into_owned();
        let (ours, theirs) = (of_pidflow(&capture), of_tshark(&capture));
        let mut missing = 0;
        for (client, encoded) in &theirs {
            let Some(record) = ours.get(client) else {
                missing += 1;
                continue;
            };
            let said = openssl(encoded);
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            assert_eq!(text("TLS_CERT_SHA256"), said[0].replace(':', "").to_lowercase(), "{file} {client}");
            assert_eq!(text("TLS_CERT_NOT_AFTER"), said[1].replace(' ', "T"), "{file} {client}");
            assert_eq!(bare(&text("TLS_CERT_SUBJECT_DN")), bare(&said[2]), "{file} {client}");
            assert_eq!(bare(&text("TLS_CERT_ISSUER_DN")), bare(&said[3]), "{file} {client}");
            equal += 1;
        }
        let known = MISSING.iter().find(|(name, ..)| *name == file).map_or(0, |(_, count, _)| *count);
        assert_eq!(missing, known, "{file}: of {}", theirs.len());
        assert!(ours.keys().all(|client| theirs.contains_key(client)), "{file}: {:?}", ours.keys());
    }
    assert!(equal >= 5, "{equal}");
}
