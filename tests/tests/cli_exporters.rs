//! Mistakes in the tables of exporters of IPFIX, NetFlow v9 and JSON: one line with the file's line, the key and what is allowed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::process::{Command, Output};

use pidflow_tests::process;

/// Begins of tables; the mistakes come after them.
const UDP: &str = "kind = \"ipfix\"\nurl = \"udp://a:1\"\n";
const TCP: &str = "kind = \"ipfix\"\nurl = \"tcp://a:1\"\n";
const TLS: &str = "kind = \"ipfix\"\nurl = \"tls://a:1\"\n";
const V9: &str = "kind = \"netflow9\"\nurl = \"udp://a:1\"\n";
const FILE: &str = "kind = \"json\"\nfile = \"flows-%Y.json\"\n";
const LINES: &str = "kind = \"json\"\nurl = \"tls://a:1\"\n";
const STDOUT: &str = "kind = \"json\"\nfile = \"-\"\n";

/// Table, the line of it that is wrong (the last one when 0), and words that the message has.
const MISTAKES: &[(&str, &str, usize, &[&str])] = &[
    ("", "url = \"udp://a:1\"", 1, &["needs the key `kind`", "ipfix, netflow9, json"]),
    ("", "kind = \"sflow\"", 0, &["`kind`", "sflow", "ipfix, netflow9, json"]),
    ("kind = \"ipfix\"\n", "domain = 1", 1, &["\"ipfix\" needs the key `url`"]),
    ("kind = \"ipfix\"\n", "url = 5", 0, &["`url`", "expected a string"]),
    ("kind = \"ipfix\"\n", "url = \"sctp://a:1\"", 0, &["`url`", "udp://HOST:PORT", "file:PATH"]),
    ("kind = \"ipfix\"\n", "url = \"udp://a:0\"", 0, &["`url`", "port 0"]),
    (UDP, "colour = 1", 0, &["`colour` means nothing", "direction", "options-records"]),
    (UDP, "file = \"x\"", 0, &["`file` means nothing", "url, domain"]),
    (UDP, "domain = -1", 0, &["`domain` is -1", "0 to 4294967295"]),
    (UDP, "domain = \"x\"", 0, &["`domain`", "whole number", "0 to 4294967295"]),
    (UDP, "max-message = 127", 0, &["`max-message` is 127", "128 to 65507"]),
    (UDP, "max-message = 1.5", 0, &["`max-message`", "whole number", "128 to 65507"]),
    (UDP, "direction = \"both\"", 0, &["`direction`", "both", "biflow", "uniflow", "ntop"]),
    (UDP, "options-records = 1", 0, &["`options-records`", "expected a boolean"]),
    (UDP, "template-seconds = 0", 0, &["`template-seconds` is 0", "1 to 86400"]),
    (UDP, "template-messages = 0", 0, &["`template-messages` is 0", "1 to 1000000"]),
    (UDP, "packets-per-second = 0", 0, &["`packets-per-second` is 0", "1 to 4294967295"]),
    (UDP, "template = \"%NOPE\"", 0, &["`template`", "NOPE"]),
    (UDP, "queue-records = 0", 0, &["`queue-records` is 0", "1 to 100000000"]),
    (UDP, "spool = \"/x\"", 0, &["`spool` means nothing"]),
    (UDP, "tls-ca = \"/x\"", 0, &["`tls-ca` means nothing"]),
    (TCP, "packets-per-second = 5", 0, &["`packets-per-second` means nothing"]),
    (TCP, "batch-records = 0", 0, &["`batch-records` is 0", "1 to 100000"]),
    (TCP, "timeout-seconds = 0", 0, &["`timeout-seconds` is 0", "1 to 86400"]),
    (TCP, "give-up-seconds = \"1h\"", 0, &["`give-up-seconds`", "whole number", "1 to 86400"]),
    (TCP, "spool-mebibytes = 1", 0, &["`spool-mebibytes` is 1", "16 to"]),
    (TLS, "tls-ca = \"/does/not/exist\"", 0, &["`tls-ca`", "cannot read /does/not/exist"]),
    (TLS, "tls-ca = \"/etc/hostname\"", 0, &["`tls-ca`", "not PEM"]),
    (TLS, "tls-key = \"/dev/null\"", 0, &["`tls-key`"]),
    (TLS, "tls-insecure = \"yes\"", 0, &["`tls-insecure`", "expected a boolean"]),
    (TLS, "tls-server-name = 1", 0, &["`tls-server-name`", "expected a string"]),
    (V9, "direction = \"ntop\"", 0, &["`direction` means nothing", "\"netflow9\""]),
    (V9, "options-records = true", 0, &["`options-records` means nothing"]),
    (V9, "domain = 4294967296", 0, &["`domain` is 4294967296", "0 to 4294967295"]),
    ("kind = \"netflow9\"\n", "url = \"tls://a:1\"", 0, &["`url`", "UDP only"]),
    ("kind = \"json\"\n", "keys = \"names\"", 1, &["needs the key `file` or `url`"]),
    (FILE, "url = \"tcp://a:1\"", 0, &["`url`", "`file`", "one of them"]),
    (FILE, "keys = \"letters\"", 0, &["`keys`", "letters", "names", "numbers", "pen-numbers"]),
    (FILE, "timestamp = \"yes\"", 0, &["`timestamp`", "expected a boolean"]),
    (FILE, "rotate-mebibytes = 0", 0, &["`rotate-mebibytes` is 0", "1 to"]),
    (FILE, "rotate-seconds = 0", 0, &["`rotate-seconds` is 0", "1 to"]),
    (FILE, "keep = 0", 0, &["`keep` is 0", "1 to"]),
    (FILE, "keep = 3", 0, &["`keep`", "`rotate-mebibytes` or `rotate-seconds`"]),
    (FILE, "compression = \"lzma\"", 0, &["`compression`", "lzma", "none", "gzip", "zstd"]),
    (FILE, "batch-records = 5", 0, &["`batch-records` means nothing"]),
    ("kind = \"json\"\n", "file = \"flows-%q.json\"", 0, &["`file`", "Y, m, d, H, M, S"]),
    ("kind = \"json\"\n", "file = \"%Y/flows.json\"", 0, &["`file`", "folder"]),
    ("kind = \"json\"\nrotate-seconds = 60\n", "file = \"flows.json\"", 0, &["`file`", "%Y%m%d-%H%M%S"]),
    (STDOUT, "compression = \"gzip\"", 0, &["`compression` means nothing"]),
    ("kind = \"json\"\n", "url = \"http://a:1\"", 0, &["`url`", "udp://", "unix:///PATH"]),
    ("kind = \"json\"\n", "url = \"tcp://a\"", 0, &["`url`", "no port"]),
    ("kind = \"json\"\n", "url = \"unix://a\"", 0, &["`url`", "does not begin with /"]),
    (LINES, "rotate-seconds = 5", 0, &["`rotate-seconds` means nothing"]),
    (LINES, "tls-cert = \"/etc/passwd\"", 0, &["`tls-cert`", "not PEM"]),
    (LINES, "spool = 5", 0, &["`spool`", "expected"]),
];

fn check(text: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pidflow.toml");
    std::fs::write(&file, text).unwrap();
    Command::new(process::binary("pidflow").unwrap()).arg("check").arg("--config").arg(file).output().unwrap()
}

#[test]
fn every_mistake_has_its_line_its_key_and_what_is_allowed() {
    for (start, wrong, line, words) in MISTAKES {
        let text = format!("[[exporter]]\n{start}{wrong}\n");
        let line = if *line == 0 { text.lines().count() } else { *line };
        let output = check(&text);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{text}{said}");
        for word in words.iter().copied().chain([format!("pidflow.toml:{line}: ").as_str()]) {
            assert!(said.contains(word), "{text}no {word:?} in {said}");
        }
    }
}

#[test]
fn the_beginnings_of_these_tables_are_right() {
    for table in [UDP, TCP, TLS, V9, FILE, LINES, STDOUT] {
        let output = check(&format!("[[exporter]]\n{table}"));
        assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    }
}
