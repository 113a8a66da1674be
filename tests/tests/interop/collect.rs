//! `pidflow collect` against other decoders of the same datagrams: softflowd's by nfcapd, sFlow by tshark.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_tests::process;
use serde_json::{Map, Value};

use crate::tools::{self, Running};
use crate::{nfcapd, tools::text};

/// What `pidflow collect` makes of datagrams.
fn collected(datagrams: &[Vec<u8>]) -> Vec<Map<String, Value>> {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("records.jsonl");
    let port = tools::udp_port();
    let collect = Command::new(process::binary("pidflow").unwrap())
        .args(["collect", "--listen", "off", "--netflow", &format!("127.0.0.1:{port}"), "--json"])
        .arg(&json)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut collect = Running(collect);
    let log = BufReader::new(collect.0.stderr.take().unwrap());
    assert!(log.lines().map_while(Result::ok).any(|line| line.contains("ready")), "it did not start");
    send(datagrams, port);
    tools::wait_for("the reading", Duration::from_secs(10), || tools::is_read(port));
    collect.interrupt();
    let lines = std::fs::read_to_string(&json).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn send(datagrams: &[Vec<u8>], port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, ("127.0.0.1", port)).unwrap();
    }
}

fn word(record: &Map<String, Value>, names: &[&str]) -> String {
    let value = names.iter().find_map(|name| record.get(*name)).cloned().unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// As [`nfcapd::Collected::rows`]: of ICMP, nfdump prints type and code as the destination port.
fn row(record: &Map<String, Value>) -> Vec<String> {
    let of = |names: &[&str]| word(record, names);
    let icmp = record.get("ICMP_TYPE").or_else(|| record.get("IPV6_ICMP_TYPE")).and_then(Value::as_u64);
    let port = icmp.map_or_else(|| of(&["L4_DST_PORT"]), |both| format!("{}.{}", both >> 8, both & 255));
    let (source, destination) = (of(&["IPV4_SRC_ADDR", "IPV6_SRC_ADDR"]), of(&["IPV4_DST_ADDR", "IPV6_DST_ADDR"]));
    vec![source, destination, of(&["L4_SRC_PORT"]), port, of(&["PROTOCOL"]), of(&["IN_PKTS"]), of(&["IN_BYTES"])]
}

/// The datagrams that softflowd exports for a capture.
fn softflowd(capture: &Path, version: &str) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let to = format!("127.0.0.1:{}", socket.local_addr().unwrap().port());
    let done = Command::new("/usr/sbin/softflowd").arg("-r").arg(capture).args(["-n", &to, "-v", version]).output();
    assert!(done.unwrap().status.success());
    let (mut all, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(buffer[..length].to_vec());
    }
    all
}

/// Rows of ours and of nfcapd.
fn both(datagrams: &[Vec<u8>]) -> [Vec<Vec<String>>; 2] {
    let mut theirs = nfcapd::collect_from(|port| send(datagrams, port)).rows;
    let mut ours: Vec<_> = collected(datagrams).iter().map(row).collect();
    for rows in [&mut ours, &mut theirs] {
        // nfdump 1.7 prints 0.0 for every type of ICMPv6.
        rows.iter_mut().filter(|row| row[4] == "58").for_each(|row| row[3].clear());
        rows.sort();
    }
    [ours, theirs]
}

/// Datagrams that routers have sent, each as a line of hexadecimal digits.
#[test]
fn what_routers_have_exported_is_read_as_nfcapd_reads_it() {
    if !tools::programs("what_routers_have_exported_is_read_as_nfcapd_reads_it", &["nfcapd", "nfdump"]) {
        return;
    }
    for (file, flows) in [("cisco-asr9000-netflow9.hex", 21), ("sonicwall-ipfix.hex", 5)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/exporters").join(file);
        let datagrams: Vec<_> = std::fs::read_to_string(path).unwrap().lines().map(hex).collect();
        let [ours, theirs] = both(&datagrams);
        assert_eq!((theirs.len(), ours.len()), (flows, flows), "{file}");
        assert_eq!(ours, theirs, "{file}");
    }
}

/// The datagrams that pmacctd exports for a capture.
fn pmacctd(capture: &Path, version: &str) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("pmacctd.conf");
    let text = format!(
        "pcap_savefile: {}\nplugins: nfprobe\nnfprobe_receiver: 127.0.0.1:{}\nnfprobe_version: {version}\n\
         aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags\n",
        capture.display(),
        socket.local_addr().unwrap().port()
    );
    std::fs::write(&config, text).unwrap();
    // It ends after it has exported the flows of the file.
    let done = Command::new("timeout").args(["60", "/usr/sbin/pmacctd", "-f"]).arg(&config).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (mut all, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(buffer[..length].to_vec());
    }
    all
}

#[test]
fn what_pmacctd_exports_is_read_as_nfcapd_reads_it() {
    if !tools::programs("what_pmacctd_exports_is_read_as_nfcapd_reads_it", &["pmacctd", "nfcapd", "nfdump"]) {
        return;
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-mixed.pcap");
    for version in ["5", "9", "10"] {
        let [mut ours, mut theirs] = both(&pmacctd(&capture, version));
        // Of pmacctd's version 9, nfdump 1.7 prints 0.0 for a request of ping, too.
        assert!(ours.iter().any(|row| row[4] == "1" && row[3] == "8.0"), "version {version}");
        ours.iter_mut().chain(&mut theirs).filter(|row| row[4] == "1").for_each(|row| row[3].clear());
        ours.sort();
        theirs.sort();
        assert!(theirs.len() > 5, "version {version}: {} rows", theirs.len());
        assert_eq!(ours, theirs, "version {version}");
    }
}

#[test]
fn what_softflowd_exports_is_read_as_nfcapd_reads_it() {
    let test = "what_softflowd_exports_is_read_as_nfcapd_reads_it";
    if !tools::programs(test, &["softflowd", "nfcapd", "nfdump"]) {
        return;
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-mixed.pcap");
    for version in ["5", "9", "10"] {
        let [ours, theirs] = both(&softflowd(&capture, version));
        assert!(theirs.len() > 5, "version {version}: {} rows", theirs.len());
        assert_eq!(ours, theirs, "version {version}");
    }
}

/// Makes sFlow of the frames of a capture: one sample in each datagram, with at most 128 octets of the frame.
const SFLOW: &str = r#"
import struct, sys
data = open(sys.argv[1], "rb").read()
at, n = 24, 0
while at + 16 <= len(data):
    captured, length = struct.unpack("<II", data[at + 8:at + 16])
    frame = data[at + 16:at + 16 + min(captured, 128)]
    at += 16 + captured
    # tshark opens GRE, and reads packets that are longer than their frame, which pidflow discards.
    if frame[12:14] == b"\x08\0" and (frame[23] == 47 or frame[16] * 256 + frame[17] > length - 14): continue
    padded = frame + bytes(-len(frame) % 4)
    header = struct.pack(">IIII", 1, length + 4, 4, len(frame)) + padded
    sample = struct.pack(">IIIIIIII", n, 3, 1 + n % 2, n, 0, 3, 4, 1) + struct.pack(">II", 1, len(header)) + header
    datagram = struct.pack(">II4sIIII", 5, 1, bytes([192, 0, 2, 9]), 5, n, n, 1) + struct.pack(">II", 1, len(sample)) + sample
    n += 1
    print(datagram.hex())
"#;

fn hex(line: &str) -> Vec<u8> {
    (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
}

/// A capture file of UDP datagrams to the port of sFlow, as text2pcap makes it.
fn packed(dir: &Path, datagrams: &[Vec<u8>]) -> std::path::PathBuf {
    let (dump, capture) = (dir.join("dump.txt"), dir.join("sflow.pcap"));
    let line = |(at, octets): (usize, &[u8])| {
        let octets: Vec<_> = octets.iter().map(|o| format!("{o:02x}")).collect();
        format!("{:06x} {}\n", at * 16, octets.join(" "))
    };
    let text: String = datagrams.iter().flat_map(|d| d.chunks(16).enumerate().map(line)).collect();
    std::fs::write(&dump, text).unwrap();
    let made = Command::new("text2pcap").args(["-q", "-u", "6343,6343"]).arg(&dump).arg(&capture).output();
    assert!(made.unwrap().status.success());
    capture
}

/// Addresses, ports and protocol of every sampled packet, and its length, by tshark.
fn of_tshark(capture: &Path) -> Vec<Vec<String>> {
    let fields = ["ip.src", "ip.dst", "ip.proto", "ip.len"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-d", "udp.port==6343,sflow", "-T", "fields", "-E", "occurrence=l"]);
    fields.iter().for_each(|field| _ = tshark.args(["-e", field]));
    // Only samples whose innermost and only IP header is IPv4: those of other kinds have more occurrences of each field.
    tshark.args(["-Y", "sflow_245.header && count(ip.src) == 2 && !ipv6 && !icmp"]);
    let said = text(&tshark.output().unwrap());
    let mut rows: Vec<Vec<String>> = said.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    rows.sort();
    rows
}

#[test]
fn sflow_is_read_as_tshark_reads_it() {
    let test = "sflow_is_read_as_tshark_reads_it";
    if !tools::programs(test, &["tshark", "text2pcap", "python3"]) {
        return;
    }
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/own-mixed.pcap");
    let datagrams = text(&Command::new("python3").args(["-c", SFLOW]).arg(&capture).output().unwrap());
    let datagrams: Vec<_> = datagrams.lines().map(hex).collect();
    let dir = tempfile::tempdir().unwrap();
    let theirs = of_tshark(&packed(dir.path(), &datagrams));
    let records = collected(&datagrams);
    let rate = |record: &Map<String, Value>| record["SAMPLING_RATE"].as_u64().unwrap();
    let of = |record: &Map<String, Value>| {
        assert_eq!(record["IN_PKTS"].as_u64(), Some(rate(record)));
        assert_eq!(word(record, &["EXPORTER_IPV4_ADDRESS"]), "192.0.2.9");
        let octets = record["IN_BYTES"].as_u64().unwrap() / rate(record);
        let of = |name| word(record, &[name]);
        vec![of("IPV4_SRC_ADDR"), of("IPV4_DST_ADDR"), of("PROTOCOL"), octets.to_string()]
    };
    let is_v4 =
        |record: &&Map<String, Value>| record.contains_key("IPV4_SRC_ADDR") && !record.contains_key("ICMP_TYPE");
    let mut ours: Vec<_> = records.iter().filter(is_v4).map(of).collect();
    ours.sort();
    assert!(theirs.len() > 20, "{} rows", theirs.len());
    assert_eq!(ours, theirs);
}
