//! The halves of two agents, put together by `--glue`: the same rows whether they came as IPFIX or as JSON.

use std::path::Path;
use std::sync::Arc;

use pidflow_schema::{
    Attribution, Counters, Flow, FlowEndReason, FlowRecord, InitialSequences, InitiatorBasis, Process, ProcessEnd,
};
use pidflow_tests::collecting::{Collector, free_port};
use serde_json::{Map, Value};

use crate::{LIMIT, collected, exporter, send, wait_for};

const SECOND_NS: u64 = 1_000_000_000;
/// The times of all flows.
const BEGIN_NS: u64 = 1_767_225_600 * SECOND_NS;
const FLOWS: u16 = 200;
/// What docs/collect.md names for IPFIX.
const TEMPLATE: &str = "@FLOW@ @PROCESS@ @NAT@ @KEY@ %SRC_PROC_ATTRIBUTION %DST_PROC_ATTRIBUTION %INITIATOR_BASIS \
                        %FLOW_END_DETAIL %HOST_NAME %SRC_PROC_UID %DST_PROC_UID";

fn end(pid: u32) -> ProcessEnd {
    let process = Arc::new(Process { pid, name: format!("p{pid}").into(), ..Process::default() });
    ProcessEnd { process: Some(process), ..ProcessEnd::unknown(Attribution::SocketEvent) }
}

fn counters(packets: u64) -> Counters {
    Counters { packets, octets: packets * 100, frame_octets: packets * 114, tcp_flags: 0x13, ..Counters::default() }
}

/// The flow of this number as the agent of client or server saw it, behind a router that masquerades.
fn half(n: u16, is_client: bool) -> FlowRecord {
    let client = if is_client { ("10.1.0.2", 40_000 + n) } else { ("10.2.0.1", 50_000 + n) };
    let ends = [client, ("10.2.0.2", 443)].map(|(address, port)| (address.parse().unwrap(), port));
    let first = BEGIN_NS + u64::from(n) * SECOND_NS;
    let packets = if is_client { [10 + u64::from(n), 6] } else { [8 + u64::from(n), 7] };
    let flow = Flow {
        forward: counters(packets[0]),
        reverse: counters(packets[1]),
        end_reason: FlowEndReason::EndOfFlow,
        initial_sequences: Some(InitialSequences { source: n.into(), destination: 5 }),
        initiator: InitiatorBasis::Syn,
        ..Flow::new(6, ends[0], ends[1], (first, first + SECOND_NS))
    };
    let mut record = FlowRecord::without_processes(flow, Attribution::Remote);
    *(if is_client { &mut record.source } else { &mut record.destination }) = end(u32::from(n) + 1000);
    let name = if is_client { "client" } else { "server" };
    FlowRecord { observer: name.into(), host: format!("{name}.example").into(), ..record }
}

/// Every tenth flow has one half only.
fn halves(is_client: bool) -> Vec<FlowRecord> {
    (0..FLOWS).filter(|n| is_client || !n.is_multiple_of(10)).map(|n| half(n, is_client)).collect()
}

/// What `pidflow collect --glue` makes of what two exporters send, sorted by key.
fn glued(input: &str, table: &str) -> Vec<Map<String, Value>> {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap().to_string());
    let file = dir.path().join("records");
    let address = format!("127.0.0.1:{port}");
    let collector = Collector::start(&[input, &address, "--glue", "5s", "--json", text(&file)]).unwrap();
    for is_client in [true, false] {
        let set = exporter(&table.replace("PORT", &port));
        send(&set, &halves(is_client));
        let end = set.shutdown(LIMIT).remove(0);
        assert_eq!(end.lost_total(), 0, "{end:?}");
    }
    wait_for(&file, usize::from(FLOWS));
    drop(collector.stop().unwrap());
    let mut rows = collected(&file);
    // Absent in JSON, and 0 in IPFIX, whose template has it for all records of agents.
    rows.iter_mut().for_each(|row| drop(row.remove("OBSERVER_NETWORK_NAMESPACE")));
    rows.sort_by_key(|row| row["FLOW_KEY"].to_string());
    rows
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn ipfix_and_json_are_glued_alike() {
    let json = glued("--json-tcp", "kind = \"json\"\nurl = \"tcp://127.0.0.1:PORT\"\n");
    assert_eq!(json.len(), usize::from(FLOWS));
    let whole: Vec<_> = json.iter().filter(|row| row.get("IS_GLUED") == Some(&1.into())).collect();
    assert_eq!(whole.len(), usize::from(FLOWS - FLOWS / 10));
    for row in whole {
        assert_eq!((&row["IPV4_SRC_ADDR"], &row["IN_PKTS_LOST"]), (&"10.1.0.2".into(), &2.into()), "{row:?}");
        assert_eq!(row["SRC_PROC_PID"], row["DST_PROC_PID"]);
    }
    let table = format!("kind = \"ipfix\"\nurl = \"udp://127.0.0.1:PORT\"\ntemplate = \"{TEMPLATE}\"\n");
    for (input, table) in [("--netflow", table.clone()), ("--ipfix-tcp", table.replace("udp:", "tcp:"))] {
        let ipfix = glued(input, &table);
        assert_eq!(ipfix.len(), json.len());
        for (ipfix, json) in ipfix.iter().zip(&json) {
            assert_eq!(ipfix, json, "{input}");
        }
    }
}
