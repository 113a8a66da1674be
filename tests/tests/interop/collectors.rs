//! Exporters against collectors of other projects: tshark, nfacctd, nfcapd and python-ipfix.
//!
//! The records are made up (`pidflow_exporters::sample`) or those of captures, so that these tests need neither root nor
//! traffic.

use std::process::Command;

use crate::{capture, expected, netflow_parser, nfacctd, nfcapd, python_ipfix, tools, tshark};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, MetricSource, Output, WireVersion, sample};
use pidflow_schema::metric::{Family, MetricSample, Point};

/// Asserts that every field of 300 records, one per message, equals the JSON.
fn tshark_fields(test: &str, version: WireVersion, port: u16) {
    if !tools::programs(test, &["tshark"]) {
        return;
    }
    let (dir, records) = (tempfile::tempdir().unwrap(), sample::records(300));
    let pcap = dir.path().join("one.pcap");
    capture::write_pcap(&pcap, &capture::datagrams(&records, 1, version), port);
    assert_eq!(tshark::warnings(&pcap), [""; 0]);
    let decoded = tshark::decode(&pcap, version);
    assert_eq!(decoded.len(), records.len());
    for (got, object) in decoded.iter().zip(expected::objects(&records)) {
        assert_eq!(got, &tshark::wanted(&object, version));
    }
}

#[test]
fn tshark_shows_every_ipfix_field_as_json_does() {
    tshark_fields("tshark_shows_every_ipfix_field_as_json_does", WireVersion::Ipfix, 4739);
}

#[test]
fn tshark_shows_every_netflow9_field_as_json_does() {
    tshark_fields("tshark_shows_every_netflow9_field_as_json_does", WireVersion::Netflow9, 2055);
}

/// Asserts that tshark reads every record of full messages, in order and without a warning, and that the shared check
/// finds the 20 elements.
fn tshark_packed(test: &str, version: WireVersion, port: u16) {
    let Some(check) = tools::shared(test, "check_ipfix_tshark.sh") else {
        return;
    };
    if !tools::programs(test, &["tshark"]) {
        return;
    }
    let (dir, records) = (tempfile::tempdir().unwrap(), sample::records(1000));
    let pcap = dir.path().join("packed.pcap");
    let datagrams = capture::datagrams(&records, 500, version);
    assert!(datagrams.iter().all(|d| d.len() <= 1420));
    capture::write_pcap(&pcap, &datagrams, port);
    assert_eq!(tshark::warnings(&pcap), [""; 0]);
    let out = tools::text(&Command::new("sh").arg(check).arg(&pcap).output().unwrap());
    assert!(out.contains("20 passed, 0 failed"), "{out}");
    let ports =
        tshark::decode(&pcap, version).into_iter().flat_map(|mut f| f.remove("cflow.srcport").unwrap_or_default());
    let wanted: Vec<_> = records.iter().map(|r| r.flow.source_port.to_string()).collect();
    assert_eq!(ports.collect::<Vec<_>>(), wanted);
}

#[test]
fn tshark_finds_every_record_of_full_ipfix_messages() {
    tshark_packed("tshark_finds_every_record_of_full_ipfix_messages", WireVersion::Ipfix, 4739);
}

#[test]
fn the_shipped_wireshark_script_names_our_own_elements() {
    if !tools::programs("the_shipped_wireshark_script_names_our_own_elements", &["tshark"]) {
        return;
    }
    let (dir, records) = (tempfile::tempdir().unwrap(), sample::records(100));
    let pcap = dir.path().join("own.pcap");
    capture::write_pcap(&pcap, &capture::datagrams(&records, 1, WireVersion::Ipfix), 4739);
    for name in ["SRC_PROC_ATTRIBUTION", "DST_PROC_ANCESTORS", "DST_PROC_START_TIME"] {
        let known = expected::objects(&records).into_iter().filter_map(|mut o| o.remove(name));
        let wanted: Vec<_> = known.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        assert_eq!(tshark::field(&pcap, &format!("pidflow.{}", name.to_lowercase())), wanted);
    }
}

#[test]
fn tshark_reads_an_ipfix_file() {
    if !tools::programs("tshark_reads_an_ipfix_file", &["tshark"]) {
        return;
    }
    let (dir, records) = (tempfile::tempdir().unwrap(), sample::records(500));
    let file = dir.path().join("flows.ipfix");
    let url = format!("file:{}", file.display());
    let config = ExporterConfig::collector(&url, WireVersion::Ipfix).unwrap();
    capture::export(&[config], &records, 50);
    assert_eq!(tshark::warnings(&file), [""; 0]);
    assert_eq!(tshark::field(&file, "cflow.srcport").len(), records.len());
}

#[test]
fn tshark_reads_options_records_without_a_warning() {
    if !tools::programs("tshark_reads_options_records_without_a_warning", &["tshark"]) {
        return;
    }
    let (dir, records) = (tempfile::tempdir().unwrap(), sample::records(50));
    let pcap = dir.path().join("options.pcap");
    capture::write_pcap(&pcap, &capture::received(&records, 10, capture::with_options), 4739);
    assert_eq!(tshark::warnings(&pcap), [""; 0]);
    let names = tshark::field(&pcap, "cflow.information_element_name");
    assert!(names.contains(&"srcProcPid".to_owned()) && names.contains(&"dstProcAncestors".to_owned()), "{names:?}");
    assert_eq!(tshark::field(&pcap, "cflow.srcport").len(), records.len());
}

#[test]
fn tshark_and_netflow_parser_read_the_ledger() {
    let by = |account: &str, n| {
        MetricSample::new([("interface", "eth0".to_owned()), ("account", account.to_owned())], Point::Whole(n))
    };
    let end =
        |n| MetricSample::new([("end", "source".to_owned()), ("attribution", "no-socket".to_owned())], Point::Whole(n));
    let metrics = MetricSource::new(move || {
        vec![
            Family::counter("pidflow.ledger.packets", "{packet}", "", vec![by("kernel", 12), by("captured", 11)]),
            Family::counter("pidflow.ledger.bytes", "By", "", vec![by("kernel", 1234), by("captured", 1123)]),
            Family::counter("pidflow.ledger.end.packets", "{packet}", "", vec![end(10)]),
            Family::counter("pidflow.ledger.end.bytes", "By", "", vec![end(987)]),
        ]
    });
    let receiver = capture::Receiver::new();
    let context = ExportContext { metrics: Some(metrics), ..capture::context() };
    let set = ExporterSet::start(&[capture::with_options(receiver.port)], &context).unwrap();
    set.send(&sample::records(3).into());
    assert_eq!(set.shutdown(capture::EXPORT_TIMEOUT)[0].exported, 3);
    let messages = receiver.finish();
    netflow_parser::decode(&messages);
    if !tools::programs("tshark_and_netflow_parser_read_the_ledger", &["tshark"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pcap = dir.path().join("ledger.pcap");
    capture::write_pcap(&pcap, &messages, 4739);
    assert_eq!(tshark::warnings(&pcap), [""; 0]);
    let has = |field: &str, values: &[&str]| {
        let found = tshark::field(&pcap, field);
        assert!(
            values.iter().all(|value| found.iter().any(|f| f == value)),
            "{field}: {found:?} has not all of {values:?}"
        );
    };
    has("cflow.information_element_name", &["ledgerAccount", "ledgerReason"]);
    has("cflow.if_name", &["eth0", "all"]);
    has("cflow.packets", &["12", "11", "10"]);
    has("cflow.octets", &["1234", "1123", "987"]);
}

#[test]
fn tshark_finds_every_record_of_full_netflow9_packets() {
    tshark_packed("tshark_finds_every_record_of_full_netflow9_packets", WireVersion::Netflow9, 2055);
}

fn nfacctd_values(test: &str, version: WireVersion) {
    if !tools::programs(test, &["nfacctd"]) {
        return;
    }
    let records = sample::records(60);
    let rows = nfacctd::rows(version, &records);
    assert_eq!(rows.len(), records.len());
    for object in expected::objects(&records) {
        nfacctd::assert_row(&rows, &object, version);
    }
}

#[test]
fn nfacctd_shows_the_ipfix_process_elements_as_json_does() {
    nfacctd_values("nfacctd_shows_the_ipfix_process_elements_as_json_does", WireVersion::Ipfix);
}

#[test]
fn nfacctd_shows_the_netflow9_process_elements_as_json_does() {
    nfacctd_values("nfacctd_shows_the_netflow9_process_elements_as_json_does", WireVersion::Netflow9);
}

fn nfcapd_counts(test: &str, version: WireVersion) {
    if !tools::programs(test, &["nfcapd", "nfdump"]) {
        return;
    }
    let records = sample::records(3000);
    let collected = nfcapd::collect(version, &records);
    assert_eq!(collected.rows.len(), records.len());
    let octets = collected.rows.iter().map(|row| row[6].parse::<u64>().unwrap());
    assert_eq!(octets.sum::<u64>(), records.iter().map(|r| r.flow.forward.octets).sum::<u64>());
    assert!(collected.log.contains("Sequence Errors: 0, Bad Packets: 0"), "{}", collected.log);
}

#[test]
fn nfcapd_counts_every_ipfix_record_without_a_sequence_error() {
    nfcapd_counts("nfcapd_counts_every_ipfix_record_without_a_sequence_error", WireVersion::Ipfix);
}

#[test]
fn nfcapd_counts_every_netflow9_record_without_a_sequence_error() {
    nfcapd_counts("nfcapd_counts_every_netflow9_record_without_a_sequence_error", WireVersion::Netflow9);
}

/// A restarted collector knows no template until the exporter sends it again, and misses nothing from then on: one
/// exporter sends to two processes of nfcapd, one after the other, on the same port.
fn nfcapd_restarts(test: &str, version: WireVersion) {
    if !tools::programs(test, &["nfcapd", "nfdump"]) {
        return;
    }
    let port = tools::udp_port();
    let mut config = capture::collector(port, version);
    if let Output::Ipfix(wire) | Output::Netflow9(wire) = &mut config.output {
        wire.resend.messages = 1;
    }
    let set = ExporterSet::start(&[config], &capture::context()).unwrap();
    let records = sample::records(900);
    let (before, after) = records.split_at(400);
    for part in [before, after] {
        let wanted = set.counters()[0].exported + part.len() as u64;
        let collected = nfcapd::collect_at(port, |_| {
            set.send(&part.to_vec().into());
            tools::wait_for("the last record", capture::EXPORT_TIMEOUT, || set.counters()[0].exported == wanted);
        });
        assert_eq!(collected.rows.len(), part.len());
        assert!(collected.log.contains("Sequence Errors: 0, Bad Packets: 0"), "{}", collected.log);
    }
    assert_eq!(set.shutdown(capture::EXPORT_TIMEOUT)[0].lost_total(), 0);
}

#[test]
fn nfcapd_misses_nothing_of_ipfix_after_a_restart() {
    nfcapd_restarts("nfcapd_misses_nothing_of_ipfix_after_a_restart", WireVersion::Ipfix);
}

#[test]
fn nfcapd_misses_nothing_of_netflow9_after_a_restart() {
    nfcapd_restarts("nfcapd_misses_nothing_of_netflow9_after_a_restart", WireVersion::Netflow9);
}

#[test]
fn python_ipfix_reads_every_record_over_tcp() {
    let test = "python_ipfix_reads_every_record_over_tcp";
    let Some(sink) = tools::shared(test, "ipfix_tcp_sink.py") else {
        return;
    };
    let Some(python) = tools::python(test, "ipfix") else {
        return;
    };
    let records = sample::records(500);
    let rows = python_ipfix::receive(&python, &sink, &records);
    assert_eq!(rows.len(), records.len());
    for (row, object) in rows.iter().zip(expected::objects(&records)) {
        python_ipfix::assert_row(row, &object);
    }
}
