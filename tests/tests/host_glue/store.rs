//! The records of both hosts in ClickHouse's engine, with the shipped tables and views.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use pidflow_tests::records::Side;
use pidflow_tests::skip::skip;
use pidflow_tests::truth::Meeting;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const SCRIPT: &str = include_str!("../interop/chdb.py");
const TABLES: [&str; 2] = [
    include_str!("../../../exporters/mappings/clickhouse.sql"),
    include_str!("../../../exporters/mappings/clickhouse-glued.sql"),
];
const SELECT: &str = "SELECT FLOW_KEY AS key, FLOW_KEY_BASIS AS basis, toBool(IS_GLUED) AS is_glued, PROTOCOL AS protocol, \
    tuple(SRC_PORT, DST_PORT) AS ports, tuple(SRC_PROC_PID, DST_PROC_PID) AS pids, \
    if(isNull(IN_PKTS_LOST), NULL, [assumeNotNull(IN_PKTS_LOST), assumeNotNull(OUT_PKTS_LOST)]) AS lost FROM whole_flows \
    SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT JSONEachRow";

/// A row of `whole_flows`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Whole {
    pub(crate) key: String,
    pub(crate) basis: String,
    pub(crate) is_glued: bool,
    pub(crate) protocol: u8,
    pub(crate) ports: (u16, u16),
    pub(crate) pids: (Option<u32>, Option<u32>),
    /// Packets lost in both directions.
    pub(crate) lost: Option<[i64; 2]>,
}

impl Whole {
    /// Ports and processes; none: a process is not known.
    pub(crate) fn meeting(&self) -> Option<Meeting> {
        Some(Meeting { protocol: self.protocol, ports: self.ports, pids: (self.pids.0?, self.pids.1?) })
    }
}

/// Python with `chdb`; returns none and reports a skip without it.
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    let python = pidflow_tests::process::cache().join("venv/bin/python");
    let is_there = Command::new(&python).args(["-c", "import chdb"]).output().is_ok_and(|o| o.status.success());
    if !is_there {
        skip(test, &format!("{} has no module chdb", python.display()));
    }
    is_there.then_some(python)
}

/// Both hosts run on one kernel here, so each agent may know the processes of the other one too. Agents of two machines do not.
fn without_the_other_host(mut record: Map<String, Value>, own: Side) -> Map<String, Value> {
    let other = own.other().prefix();
    record.retain(|name, _| {
        !["_PROC_", "_FATHER_", "_NETWORK_"].iter().any(|of| name.starts_with(&format!("{other}{of}")))
    });
    record.insert(format!("{other}_PROC_ATTRIBUTION"), "remote".into());
    record
}

/// Writes the records of an agent as one on another machine would make them.
pub(crate) fn rewritten(path: &Path, own: Side, to: &Path) -> Result<()> {
    let mut out = String::new();
    for line in fs::read_to_string(path)?.lines() {
        out += &serde_json::to_string(&without_the_other_host(serde_json::from_str(line)?, own))?;
        out.push('\n');
    }
    Ok(fs::write(to, out)?)
}

/// The flows that both hosts' records make. Those of the first arrive twice.
pub(crate) fn whole_flows(python: &Path, dir: &Path, files: &[PathBuf; 2]) -> Result<Vec<Whole>> {
    let mut statements: Vec<_> = TABLES.iter().map(|text| json!([text, ""])).collect();
    for path in files.iter().chain(files.first()) {
        statements.push(json!([format!("INSERT INTO flows FROM INFILE '{}' FORMAT JSONEachRow", path.display()), ""]));
    }
    statements.push(json!([SELECT, ""]));
    let file = dir.join("statements.json");
    fs::write(&file, json!(statements).to_string())?;
    let output = Command::new(python).args(["-c", SCRIPT]).arg(file).output()?;
    ensure!(output.status.success(), "chdb: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
