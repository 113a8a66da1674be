//! Reads a capture with `pidflow read` and parses its output.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use pidflow_tests::process;
use serde_json::Value;

use crate::walk::Total;

/// One end of a flow.
pub(crate) type AddressAndPort = (IpAddr, u64);
/// Protocol and both ends, the lower one first.
pub(crate) type Key = (u64, AddressAndPort, AddressAndPort);
/// Packets and frame bytes of the lower and of the higher end.
pub(crate) type Sent = [Total; 2];

/// The output of one run.
pub(crate) struct Read {
    pub(crate) records: Vec<Value>,
    /// Packets that are in no flow, by reason.
    pub(crate) discards: BTreeMap<String, Total>,
    pub(crate) errors: String,
    pub(crate) code: i32,
}

/// One record per flow for the whole capture.
pub(crate) fn read(capture: &Path, arguments: &[&str]) -> Read {
    let program = process::binary("pidflow").unwrap();
    let whole = ["read", "--json", "-", "--idle-timeout", "0", "--active-timeout", "0"];
    let output = Command::new(program).args(whole).args(arguments).arg(capture).output().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("killed: {:?}", output.status));
    let records = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!errors.contains("panicked"), "{errors}");
    Read {
        records: records.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        discards: discards(&errors),
        errors,
        code,
    }
}

/// From the line `in no flow: non-ip-arp 98 (4,998 bytes), later-fragment 2 (120 bytes)`.
fn discards(summary: &str) -> BTreeMap<String, Total> {
    let Some(line) = summary.lines().find_map(|line| line.strip_prefix("in no flow: ")) else {
        return BTreeMap::new();
    };
    line.split(" bytes)").filter(|part| !part.is_empty()).map(discard).collect()
}

fn discard(part: &str) -> (String, Total) {
    let (name_and_packets, octets) = part.trim_start_matches(", ").rsplit_once(" (").unwrap();
    let (name, packets) = name_and_packets.rsplit_once(' ').unwrap();
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    (name.to_owned(), Total { packets: number(packets), octets: number(octets) })
}

impl Read {
    /// The total of all flows and all discard reasons.
    pub(crate) fn total(&self) -> Total {
        let flows = self.records.iter().flat_map(|r| [sent(r, "IN"), sent(r, "OUT")]);
        flows
            .chain(self.discards.values().copied())
            .fold(Total::default(), |sum, t| Total { packets: sum.packets + t.packets, octets: sum.octets + t.octets })
    }

    /// The flows in the form of `flows.jsonl`, in which ICMP has no ports, so that all ICMP flows of a pair of
    /// addresses are one.
    pub(crate) fn flows(&self) -> BTreeMap<Key, Sent> {
        let mut flows: BTreeMap<Key, Sent> = BTreeMap::new();
        for record in &self.records {
            let protocol = record["PROTOCOL"].as_u64().unwrap();
            let port = |name: &str| if matches!(protocol, 1 | 58) { 0 } else { record[name].as_u64().unwrap() };
            let source = (address(record, "SRC"), port("L4_SRC_PORT"));
            let destination = (address(record, "DST"), port("L4_DST_PORT"));
            add(&mut flows, protocol, (source, sent(record, "IN")), (destination, sent(record, "OUT")));
        }
        flows
    }
}

/// Adds the packets and bytes of both ends.
pub(crate) fn add(
    flows: &mut BTreeMap<Key, Sent>,
    protocol: u64,
    one: (AddressAndPort, Total),
    other: (AddressAndPort, Total),
) {
    let (low, high) = if one.0 <= other.0 { (one, other) } else { (other, one) };
    let sums = flows.entry((protocol, low.0, high.0)).or_default();
    for (sum, more) in sums.iter_mut().zip([low.1, high.1]) {
        sum.packets += more.packets;
        sum.octets += more.octets;
    }
}

fn address(record: &Value, end: &str) -> IpAddr {
    let v4 = record[format!("IPV4_{end}_ADDR")].as_str();
    v4.or_else(|| record[format!("IPV6_{end}_ADDR")].as_str()).unwrap().parse().unwrap()
}

fn sent(record: &Value, direction: &str) -> Total {
    let number = |name: &str| record[format!("{direction}_{name}")].as_u64().unwrap();
    Total { packets: number("PKTS"), octets: number("FRAME_BYTES") }
}
