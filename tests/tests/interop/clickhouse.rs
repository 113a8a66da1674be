//! ClickHouse's engine from the Python module `chdb`, with the shipped table and the requests of the exporter.

use std::path::Path;
use std::process::Command;

use pidflow_exporters::{ExporterConfig, sample};
use pidflow_schema::FlowRecord;
use serde_json::{Value, json};

use crate::http::{Reply, Request, Server};
use crate::{capture, tools};

const SCRIPT: &str = include_str!("chdb.py");
const TABLE: &str = include_str!("../../../exporters/mappings/clickhouse.sql");
/// Selects rows as the exporter writes them: large numbers are numbers, times are seconds.
const SELECT: &str = "SELECT * FROM flows SETTINGS output_format_json_quote_64bit_integers = 0, \
    date_time_output_format = 'unix_timestamp', asterisk_include_alias_columns = 0 FORMAT JSONEachRow";

/// Records of the current time, because the table deletes records after a month.
pub(crate) fn recent(count: usize) -> Vec<FlowRecord> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut records = sample::records(count);
    let behind = now - records[count - 1].flow.last_ns;
    for record in &mut records {
        record.flow.first_ns += behind;
        record.flow.last_ns += behind;
    }
    records
}

/// The requests that an exporter with this template sends for the records.
pub(crate) fn requests(records: &[FlowRecord], template: Option<&str>) -> Vec<Request> {
    let server = Server::start(None, |_| Reply::status(200));
    let mut config = json!({"kind": "clickhouse", "url": server.url(), "batch-records": 100});
    if let Some(template) = template {
        config["template"] = template.into();
    }
    let config: ExporterConfig = serde_json::from_value(config).unwrap();
    capture::export(&[config], records, 1000);
    server.requests()
}

/// The rows of the table after these requests.
pub(crate) fn rows(python: &Path, requests: &[Request]) -> Vec<Value> {
    let inserts = requests.iter().map(|r| json!([statement(&r.path), String::from_utf8(r.body.clone()).unwrap()]));
    let all: Vec<_> = [json!([TABLE, ""])].into_iter().chain(inserts).chain([json!([SELECT, ""])]).collect();
    answer(python, &all).lines().map(row).collect()
}

/// What the last of these statements, each with its data, answers.
pub(crate) fn answer(python: &Path, statements: &[Value]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!(statements).to_string()).unwrap();
    let output = Command::new(python).args(["-c", SCRIPT]).arg(file.path()).output().unwrap();
    tools::text(&output)
}

/// `/?query=INSERT…&setting=value` as one statement.
fn statement(path: &str) -> String {
    let mut parameters = path.strip_prefix("/?").unwrap().split('&').map(|p| p.split_once('=').unwrap());
    let (name, query) = parameters.next().unwrap();
    assert_eq!(name, "query");
    let query = query.replace("%20", " ");
    let (insert, format) = query.split_once(" FORMAT ").unwrap();
    let settings: Vec<_> = parameters.map(|(name, value)| format!("{name} = '{value}'")).collect();
    format!("{insert} SETTINGS {} FORMAT {format}", settings.join(", "))
}

/// The row without unknown values, and with times as numbers.
fn row(line: &str) -> Value {
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    row.retain(|_, value| !value.is_null());
    for name in ["FIRST_SWITCHED", "LAST_SWITCHED"] {
        let seconds = row[name].as_str().unwrap().parse::<u64>().unwrap();
        row.insert(name.into(), seconds.into());
    }
    Value::Object(row)
}
