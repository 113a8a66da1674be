//! pmacct's nfacctd with the 20 process elements as custom primitives.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pidflow_exporters::WireVersion;
use pidflow_schema::table::{PROCESS_MACRO, by_name};
use pidflow_schema::{DataType, FlowRecord};
use serde_json::Value;

use crate::expected::{self, Object};
use crate::{capture, tools};

/// One JSON line per flow that nfacctd saw.
pub(crate) fn rows(check: &Path, version: WireVersion, records: &[FlowRecord]) -> Vec<Value> {
    rows_from(check, version, |port| {
        capture::export(&[capture::collector(port, version)], records, 10);
    })
}

/// What arrives while `send` sends to the port.
pub(crate) fn rows_from(check: &Path, version: WireVersion, send: impl FnOnce(u16)) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let (ready, sent) = (dir.path().join("ready"), dir.path().join("sent"));
    let port = tools::udp_port();
    let wait = "touch \"$1\"; while [ ! -e \"$2\" ]; do sleep 0.05; done; sleep 2";
    let script = Command::new("sh")
        .arg(check)
        .args([if version == WireVersion::Ipfix { "ipfix" } else { "v9" }, &port.to_string()])
        .args(["sh", "-c", wait, "sh"])
        .args([&ready, &sent])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tools::wait_for("nfacctd's start", Duration::from_secs(20), || ready.exists());
    tools::wait_for("nfacctd's socket", Duration::from_secs(60), || tools::is_bound(port));
    // It reads its primitives after it has bound its socket.
    std::thread::sleep(Duration::from_secs(1));
    send(port);
    std::fs::write(&sent, "").unwrap();
    let out = tools::text(&script.wait_with_output().unwrap());
    out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The script's names of the 20.
fn name(element: &str) -> String {
    let lower = element.to_ascii_lowercase();
    let renamed = lower.replace("average_cpu_load", "avg_cpu").replace("num_page_faults", "page_faults");
    renamed.replace("pctg_iowait", "iowait")
}

/// The row with the record's address and port has its process elements, as far as they are known.
pub(crate) fn assert_row(rows: &[Value], object: &Object, version: WireVersion) {
    let source = object.get("IPV4_SRC_ADDR").or_else(|| object.get("IPV6_SRC_ADDR")).unwrap();
    let row = rows.iter().find(|r| &r["ip_src"] == source).unwrap_or_else(|| panic!("no row for {source}"));
    for e in PROCESS_MACRO.iter().filter_map(|n| by_name(n)).filter(|e| object.contains_key(e.name)) {
        let wanted = match e.data_type {
            DataType::String => expected::text(e, object, version),
            _ => expected::number(e, object, version).to_string(),
        };
        assert_eq!(row[name(e.name)].as_str(), Some(wanted.as_str()), "{} in {row}", e.name);
    }
}

/// Packets and octets by key.
pub(crate) fn sums<'a, K: Ord>(rows: impl Iterator<Item = (K, [&'a Value; 2])>) -> BTreeMap<K, [u64; 2]> {
    let mut sums = BTreeMap::new();
    for (key, [packets, octets]) in rows {
        let sum = sums.entry(key).or_insert([0; 2]);
        sum[0] += packets.as_u64().unwrap();
        sum[1] += octets.as_u64().unwrap();
    }
    sums
}
