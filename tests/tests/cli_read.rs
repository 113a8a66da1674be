//! `pidflow read`: every packet is in a record, and the files after a damaged one are read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

#[path = "cli_read/stream.rs"]
mod stream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pidflow_tests::process;
use serde_json::Value;

/// Bytes of one frame: Ethernet, IPv4, UDP, eight bytes of payload.
const FRAME: usize = 14 + 20 + 8 + 8;

/// A UDP datagram from `port` to port 53.
fn frame(port: u16) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    f.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    f.extend(port.to_be_bytes());
    f.extend([0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    f
}

/// A capture file with a packet per port, one second apart.
fn pcap(ports: &[u16]) -> Vec<u8> {
    pcap_at(1_700_000_000, ports)
}

/// As [`pcap`], with the first packet at the second `start`.
fn pcap_at(start: u32, ports: &[u16]) -> Vec<u8> {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for (second, port) in (start..).zip(ports) {
        let numbers = [second, 0, FRAME as u32, FRAME as u32];
        numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(frame(*port));
    }
    out
}

fn write(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn read(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new(process::binary("pidflow").unwrap()).arg("read").args(arguments).args(files).output().unwrap()
}

fn records(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn packets(records: &[Value]) -> u64 {
    records.iter().map(|r| r["IN_PKTS"].as_u64().unwrap() + r["OUT_PKTS"].as_u64().unwrap()).sum()
}

#[test]
fn one_record_per_flow_for_the_whole_capture() {
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..400).map(|n| 1000 + n % 4).collect();
    let file = write(dir.path(), "a.pcap", &pcap(&ports));
    let whole = read(&["--json", "-", "--idle-timeout", "0", "--active-timeout", "0"], &[&file]);
    assert!(whole.status.success(), "{}", said(&whole));
    assert_eq!((records(&whole).len(), packets(&records(&whole))), (4, 400));
    assert!(said(&whole).contains("400 packets (20,000 bytes on the wire): 400 in 4 flows"), "{}", said(&whole));
    let split = read(&["--json", "-", "-t", "60s"], &[&file]);
    assert!(records(&split).len() > 4 && packets(&records(&split)) == 400);
}

#[test]
fn standard_input_is_read() {
    let mut child = Command::new(process::binary("pidflow").unwrap())
        .args(["read", "-", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&pcap(&[7; 9])).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(packets(&records(&output)), 9);
}

#[test]
fn a_damaged_file_keeps_no_other_from_being_read() {
    let dir = tempfile::tempdir().unwrap();
    let whole = pcap(&[1, 2, 3]);
    let cut = write(dir.path(), "cut.pcap", &whole[..whole.len() - 5]);
    let noise = write(dir.path(), "noise.pcap", b"this is no capture file at all");
    let good = write(dir.path(), "good.pcap", &whole);
    let output = read(&["--json", "-"], &[&dir.path().join("missing.pcap"), &cut, &noise, &good]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(packets(&records(&output)), 5, "{}", said(&output));
    let error = said(&output).lines().last().unwrap();
    assert!(["missing.pcap", "cut.pcap", "noise.pcap"].iter().all(|f| error.contains(f)), "{error}");
    assert!(!error.contains("good.pcap"), "{error}");
}

#[test]
fn a_capture_that_is_named_twice_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.pcap", &pcap(&[1, 2, 3]));
    let copy = write(dir.path(), "copy.pcap", &pcap(&[1, 2, 3]));
    let (link, hard) = (dir.path().join("link.pcap"), dir.path().join("hard.pcap"));
    std::os::unix::fs::symlink("a.pcap", &link).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    let detour = dir.path().join("./a.pcap");
    for (other, expected) in [(&file, 3), (&detour, 3), (&link, 3), (&hard, 3), (&copy, 6)] {
        let output = read(&["--json", "-"], &[&file, other]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(packets(&records(&output)), expected, "{}", other.display());
        assert_eq!(said(&output).contains("read once"), expected == 3, "{}", said(&output));
    }
}

#[test]
fn a_missing_file_is_one_line_and_code_1() {
    let output = read(&[], &[Path::new("/no/such/file.pcap")]);
    assert_eq!((output.status.code(), said(&output).lines().count()), (Some(1), 1), "{}", said(&output));
    assert!(said(&output).contains("/no/such/file.pcap") && said(&output).contains("No such file"));
}

#[test]
fn templates_keys_and_filters_are_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.pcap", &pcap(&[5, 6]));
    let output = read(
        &["--json", "-", "--json-keys", "numbers", "-T", "%IPV4_SRC_ADDR %L4_SRC_PORT", "-f", "src port 6"],
        &[&file],
    );
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(records(&output), [serde_json::json!({"8": "10.0.0.1", "7": 6})]);
    assert!(said(&output).contains("filtered 1"), "{}", said(&output));
}

#[test]
fn an_expression_selects_for_all_outputs_or_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.pcap", &pcap(&[5, 6, 7]));
    let ports = |output: &Output| {
        assert!(output.status.success(), "{}", said(output));
        records(output).iter().map(|r| r["L4_SRC_PORT"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let config = |filter: &str| {
        let text = format!("[[exporter]]\nkind = \"json\"\nfile = \"-\"\nfilter = '{filter}'\n");
        write(dir.path(), "filter.toml", text.as_bytes()).to_str().unwrap().to_owned()
    };
    for (expression, expected) in
        [("src.port >= 6", vec![6, 7]), ("port == 5 || src.port == 7", vec![5, 7]), ("process != null", vec![])]
    {
        assert_eq!(ports(&read(&["--json", "-", "--only", expression], &[&file])), expected, "{expression}");
        assert_eq!(ports(&read(&["--config", &config(expression)], &[&file])), expected, "{expression}");
    }
    let wrong = read(&["--json", "-", "--only", "prot == 5"], &[&file]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("column 1: unknown name prot; did you mean port?"), "{}", said(&wrong));
    let wrong = read(&["--config", &config("port = 5")], &[&file]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("filter.toml:4: `filter`: column 6: = is not an operator"), "{}", said(&wrong));
}

#[test]
fn a_variable_goes_before_the_file_and_a_flag_before_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.pcap", &pcap(&[5]));
    let config = write(
        dir.path(),
        "pidflow.toml",
        b"[export]\njson = \"-\"\njson-keys = \"numbers\"\ntemplate = \"%L4_SRC_PORT\"\n",
    );
    let run = |variable: Option<&str>, flags: &[&str]| {
        let mut command = Command::new(process::binary("pidflow").unwrap());
        variable.map(|v| command.env("PIDFLOW_TEMPLATE", v));
        let output = command.arg("read").arg("--config").arg(&config).args(flags).arg(&file).output().unwrap();
        records(&output)
    };
    assert_eq!(run(None, &[]), [serde_json::json!({"7": 5})]);
    assert_eq!(run(Some("%L4_DST_PORT"), &[]), [serde_json::json!({"11": 53})]);
    assert_eq!(run(Some("%L4_DST_PORT"), &["-T", "%PROTOCOL"]), [serde_json::json!({"4": 17})]);
}
