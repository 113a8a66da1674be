//! A pipeline for NetObserv's flowlogs-pipeline, which gives pidflow's JSON lines the names that NetObserv uses.

use pidflow_schema::{ELEMENTS, Element};

use crate::text::{GENERATED, line};

/// Records from Kafka; of IPv4 and IPv6 address, the filter takes the one that is there, and what it adds beside is
/// dropped with all names that are not mapped.
const HEAD: &str = r#"# flowlogs-pipeline --config netobserv.yaml: reads `pidflow run`'s records from Kafka.
pipeline:
  - name: ingest
  - name: addresses
    follows: ingest
  - name: names
    follows: addresses
  - name: write
    follows: names
parameters:
  - name: ingest
    ingest:
      type: kafka
      kafka:
        brokers: ["127.0.0.1:9092"]
        topic: pidflow
        decoder:
          type: json
  - name: write
    write:
      type: stdout
      stdout:
        format: json
"#;

/// Elements for which NetObserv has names of its own.
const NAMES: [(&str, &str); 14] = [
    ("L4_SRC_PORT", "SrcPort"),
    ("L4_DST_PORT", "DstPort"),
    ("PROTOCOL", "Proto"),
    ("IN_BYTES", "Bytes"),
    ("IN_PKTS", "Packets"),
    ("OUT_BYTES", "Bytes_BA"),
    ("OUT_PKTS", "Packets_BA"),
    ("TCP_FLAGS", "Flags"),
    ("IN_SRC_MAC", "SrcMac"),
    ("OUT_DST_MAC", "DstMac"),
    ("FLOW_START_MILLISECONDS", "TimeFlowStartMs"),
    ("FLOW_END_MILLISECONDS", "TimeFlowEndMs"),
    ("INTERFACE_NAME", "Interface"),
    ("SRC_VLAN", "VlanId"),
];

const ADDRESSES: [(&str, &str); 4] = [
    ("IPV4_SRC_ADDR", "SrcAddr"),
    ("IPV6_SRC_ADDR", "SrcAddr"),
    ("IPV4_DST_ADDR", "DstAddr"),
    ("IPV6_DST_ADDR", "DstAddr"),
];

/// `SRC_PROC_NAME` as NetObserv would spell it: `SrcProcName`.
fn camel(name: &str) -> String {
    let word = |w: &str| w.chars().take(1).chain(w.chars().skip(1).map(|c| c.to_ascii_lowercase())).collect::<String>();
    name.split('_').map(word).collect()
}

fn output(e: &Element) -> String {
    NAMES.iter().find(|(name, _)| *name == e.name).map_or_else(|| camel(e.name), |(_, theirs)| (*theirs).to_owned())
}

/// The whole configuration.
pub(crate) fn pipeline() -> String {
    let mut out = format!("# {GENERATED}\n{HEAD}");
    out += "  - name: addresses\n    transform:\n      type: filter\n      filter:\n        rules:\n";
    for (ours, theirs) in ADDRESSES {
        line(
            &mut out,
            format_args!(
                "          - type: add_regex_if\n            addRegexIf: {{ input: {ours}, output: {theirs}, parameters: '^[0-9a-f]*[.:]' }}"
            ),
        );
    }
    out += "  - name: names\n    transform:\n      type: generic\n      generic:\n        policy: replace_keys\n        rules:\n";
    for name in ["SrcAddr", "DstAddr"] {
        line(&mut out, format_args!("          - {{ input: {name}, output: {name} }}"));
    }
    for e in ELEMENTS.iter().filter(|e| !ADDRESSES.iter().any(|(ours, _)| *ours == e.name)) {
        line(&mut out, format_args!("          - {{ input: {}, output: {} }}", e.name, output(e)));
    }
    out
}
