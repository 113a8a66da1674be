//! A run of the real program over several captures, against receivers of other projects: every record arrives, and
//! every field equals the JSON of the same run.

use std::path::{Path, PathBuf};

use pidflow_exporters::WireVersion;
use serde_json::Value;

use crate::expected::Object;
use crate::{capture, netflow_parser, nfacctd, nfcapd, nginx_stream, program, python_ipfix, tools, tshark};

const VERSIONS: [(WireVersion, &str, u16); 2] =
    [(WireVersion::Ipfix, "ipfix", 4739), (WireVersion::Netflow9, "netflow9", 2055)];

/// The records of a run, and the datagrams that it sent in each version.
fn datagrams(captures: &[PathBuf]) -> (Vec<Object>, [Vec<Vec<u8>>; 2]) {
    let receivers = VERSIONS.map(|_| capture::Receiver::new());
    let tables = VERSIONS.iter().zip(&receivers).map(|((_, kind, _), receiver)| {
        program::table(kind, &format!("udp://127.0.0.1:{}", receiver.port), "packets-per-second = 2000")
    });
    let objects = program::read(captures, &tables.collect::<String>());
    (objects, receivers.map(capture::Receiver::finish))
}

/// Asserts that every byte of every field is right, and that sequence numbers have no gap.
fn parser_agrees(objects: &[Object], messages: &[Vec<u8>], version: WireVersion) {
    let (mut objects, mut sequence) = (objects.iter(), None);
    for (n, message) in netflow_parser::decode(messages).iter().enumerate() {
        assert_eq!(message.sequence, sequence.unwrap_or(message.sequence), "message {n}");
        let step = if version == WireVersion::Ipfix { message.records.len() as u32 } else { 1 };
        sequence = Some(message.sequence + step);
        for got in &message.records {
            let object = objects.next().expect("more records than were sent");
            netflow_parser::assert_equal(got, &netflow_parser::wanted(object, version, message), object);
        }
    }
    assert!(objects.next().is_none(), "records are missing");
}

/// Asserts that every field that tshark has a name for is right, and most of the others in hexadecimal, and that there
/// is no warning; a sequence error gives a warning.
fn tshark_agrees(objects: &[Object], messages: &[Vec<u8>], version: WireVersion, (folder, port): (&Path, u16)) {
    let pcap = folder.join(format!("{port}.pcap"));
    capture::write_pcap(&pcap, messages, port);
    assert_eq!(tshark::warnings(&pcap), [""; 0]);
    let mut rest = objects;
    for (message, mut got) in netflow_parser::decode(messages).iter().zip(tshark::decode(&pcap, version)) {
        let (these, others) = rest.split_at(message.records.len());
        tshark::UPTIMES.iter().for_each(|name| drop(got.remove(*name)));
        assert_eq!(got, tshark::wanted_of_message(these, version));
        rest = others;
    }
    assert!(rest.is_empty(), "records are missing");
}

#[test]
fn two_decoders_read_every_field_as_json_has_it() {
    let test = "two_decoders_read_every_field_as_json_has_it";
    let Some(captures) = program::captures(test) else {
        return;
    };
    let (objects, sent) = datagrams(&captures);
    let (dir, with_tshark) = (tempfile::tempdir().unwrap(), tools::programs(test, &["tshark"]));
    for ((version, _, port), messages) in VERSIONS.into_iter().zip(&sent) {
        parser_agrees(&objects, messages, version);
        if with_tshark {
            tshark_agrees(&objects, messages, version, (dir.path(), port));
        }
    }
}

fn address<'a>(object: &'a Object, end: &str) -> &'a str {
    ["IPV4", "IPV6"].iter().find_map(|v| object.get(&format!("{v}_{end}_ADDR"))).unwrap().as_str().unwrap()
}

/// The row that nfdump should show. It shows an ICMP flow's type and code as its destination port; in IPFIX, where they
/// are 0 (echo reply), it shows the destination port with swapped bytes. In NetFlow v9 it knows no element for type and
/// code of ICMPv6.
fn stored(object: &Object, version: WireVersion) -> Vec<String> {
    let icmp = ["ICMP_TYPE", "IPV6_ICMP_TYPE"].iter().find_map(|name| object.get(*name)).and_then(Value::as_u64);
    let identifier = object["L4_DST_PORT"].as_u64().unwrap() as u16;
    let ports = match icmp {
        Some(0) if version == WireVersion::Ipfix => icmp_ports(identifier.swap_bytes()),
        Some(_) if version == WireVersion::Netflow9 && object.contains_key("IPV6_ICMP_TYPE") => icmp_ports(0),
        Some(type_code) => icmp_ports(type_code as u16),
        None => [object["L4_SRC_PORT"].to_string(), object["L4_DST_PORT"].to_string()],
    };
    let protocol = object["PROTOCOL"].to_string();
    let [source, destination] = ["SRC", "DST"].map(|end| address(object, end).to_owned());
    let [from, to] = ports;
    let sums = [object["IN_PKTS"].to_string(), object["IN_BYTES"].to_string()];
    [vec![source, destination, from, to, protocol], sums.to_vec()].concat()
}

fn icmp_ports(type_code: u16) -> [String; 2] {
    ["0".into(), format!("{}.{}", type_code >> 8, type_code & 0xff)]
}

#[test]
fn nfcapd_stores_the_standard_elements_as_json_has_them() {
    let test = "nfcapd_stores_the_standard_elements_as_json_has_them";
    let Some(captures) = program::captures(test).filter(|_| tools::programs(test, &["nfcapd", "nfdump"])) else {
        return;
    };
    for (version, kind, _) in VERSIONS {
        let mut objects = Vec::new();
        let collected = nfcapd::collect_from(|port| {
            let url = format!("udp://127.0.0.1:{port}");
            objects = program::read(&captures, &program::table(kind, &url, "packets-per-second = 2000"));
        });
        let mut wanted: Vec<_> = objects.iter().map(|o| stored(o, version)).collect();
        wanted.sort();
        assert_eq!(collected.rows.len(), wanted.len(), "{kind}");
        let other: Vec<_> = collected.rows.iter().zip(&wanted).filter(|(got, wanted)| got != wanted).collect();
        assert!(other.is_empty(), "{kind}: {other:?}");
        assert!(collected.log.contains("Sequence Errors: 0, Bad Packets: 0"), "{}", collected.log);
    }
}

/// nfacctd adds up records with equal keys, which include times in seconds: totals by addresses, ports and protocol are
/// compared.
#[test]
fn nfacctd_adds_up_what_json_has() {
    let test = "nfacctd_adds_up_what_json_has";
    let Some(captures) = program::captures(test).filter(|_| tools::programs(test, &["nfacctd"])) else {
        return;
    };
    for (version, kind, _) in VERSIONS {
        let mut objects = Vec::new();
        let rows = nfacctd::rows_from(version, |port| {
            let url = format!("udp://127.0.0.1:{port}");
            objects = program::read(&captures, &program::table(kind, &url, "packets-per-second = 500"));
        });
        let key = |row: &Value| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            ([text("ip_src"), text("ip_dst")], [&row["port_src"], &row["port_dst"]].map(|v| v.as_u64().unwrap()))
        };
        let got = nfacctd::sums(rows.iter().map(|r| (key(r), [&r["packets"], &r["bytes"]])));
        let ends = |o: &Object| {
            let ports = ["L4_SRC_PORT", "L4_DST_PORT"].map(|name| o[name].as_u64().unwrap());
            (["SRC", "DST"].map(|end| address(o, end).to_owned()), ports)
        };
        assert_eq!(got, nfacctd::sums(objects.iter().map(|o| (ends(o), [&o["IN_PKTS"], &o["IN_BYTES"]]))), "{kind}");
    }
}

/// Asserts that every record has every standard element, except the times, which python-ipfix formats differently.
fn assert_rows(rows: &[Value], objects: &[Object]) {
    assert_eq!(rows.len(), objects.len());
    for (row, object) in rows.iter().zip(objects) {
        python_ipfix::assert_row(row, object);
        python_ipfix::assert_standard(row, object);
    }
}

#[test]
fn python_ipfix_reads_every_record_over_tcp_and_tls() {
    let test = "python_ipfix_reads_every_record_over_tcp_and_tls";
    let Some(sink) = tools::shared(test, "ipfix_tcp_sink.py") else {
        return;
    };
    let (Some(python), Some(captures)) = (tools::python(test, "ipfix"), program::captures(test)) else {
        return;
    };
    let mut objects = Vec::new();
    let rows = python_ipfix::receive_from(&python, &sink, |port| {
        objects = program::read(&captures, &program::table("ipfix", &format!("tcp://127.0.0.1:{port}"), ""));
    });
    assert_rows(&rows, &objects);
    if !tools::programs(test, &["nginx"]) {
        return;
    }
    let rows = python_ipfix::receive_from(&python, &sink, |port| {
        let end = nginx_stream::TlsEnd::new(port);
        let url = format!("tls://localhost:{}", end.port);
        objects = program::read(&captures, &program::table("ipfix", &url, &end.keys()));
    });
    assert_rows(&rows, &objects);
}
