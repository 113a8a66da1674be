//! The Parquet exporter's files, read by pyarrow, DuckDB and ClickHouse's engine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pidflow_exporters::{ExporterConfig, ExporterSet, sample};
use pidflow_schema::{DataType, FlowRecord, by_name};
use serde_json::{Map, Value, json};

use crate::{capture, expected, tools};

const SCRIPT: &str = include_str!("parquet.py");
const STORE: &str = include_str!("s3.py");
const HOUR_NS: u64 = 3_600_000_000_000;

/// Records of two days, every third one in another hour.
fn records() -> Vec<FlowRecord> {
    let mut records = sample::records(300);
    for (number, record) in records.iter_mut().enumerate() {
        let later = (number as u64 % 3) * 11 * HOUR_NS;
        record.flow.first_ns += later;
        record.flow.last_ns += later;
    }
    records
}

fn write(folder: &Path, records: &[FlowRecord]) {
    let config: ExporterConfig = serde_json::from_value(json!({"kind": "parquet", "folder": folder})).unwrap();
    capture::export(&[config], records, 100);
}

/// The rows with their partition, as the JSON exporter writes numbers of times.
fn rows(python: &Path, engine: &str, folder: &Path) -> Vec<Map<String, Value>> {
    let output = Command::new(python).args(["-c", SCRIPT, engine]).arg(folder).output().unwrap();
    let mut rows: Vec<Map<String, Value>> =
        tools::text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (name, value) in rows.iter_mut().flatten() {
        if by_name(name).is_some_and(|e| e.data_type == DataType::DateTimeSeconds) {
            *value = (value.as_u64().unwrap() / 1000).into();
        }
    }
    rows
}

/// The partition that a row must be in.
fn partition(row: &Map<String, Value>) -> (Value, u64) {
    let end = jiff::Timestamp::from_second(row["LAST_SWITCHED"].as_i64().unwrap()).unwrap().to_string();
    (end[..10].into(), end[11..13].parse().unwrap())
}

fn has_what_json_says(test: &str, engine: &str) {
    let Some(python) = tools::python(test, engine) else { return };
    let (records, folder) = (records(), tempfile::tempdir().unwrap());
    write(folder.path(), &records);
    assert_is_what_json_says(rows(&python, engine, folder.path()), &records);
}

fn assert_is_what_json_says(mut found: Vec<Map<String, Value>>, records: &[FlowRecord]) {
    for row in &mut found {
        // Not every reader adds the partition's columns.
        let (date, hour) = partition(row);
        if let Some(found) = row.remove("date") {
            assert_eq!(found, date);
        }
        if let Some(found) = row.remove("hour") {
            assert_eq!(found.as_u64().or_else(|| found.as_str()?.parse().ok()), Some(hour));
        }
    }
    let sorted = |rows: Vec<Map<String, Value>>| {
        let mut rows: Vec<_> = rows.into_iter().map(Value::Object).collect();
        rows.sort_by_key(Value::to_string);
        rows
    };
    let (found, wanted) = (sorted(found), sorted(expected::objects(records)));
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted);
    }
}

#[test]
fn pyarrow_reads_in_files_what_json_says() {
    has_what_json_says("pyarrow_reads_in_files_what_json_says", "pyarrow");
}

#[test]
fn duckdb_reads_in_files_what_json_says() {
    has_what_json_says("duckdb_reads_in_files_what_json_says", "duckdb");
}

#[test]
fn chdb_reads_in_files_what_json_says() {
    has_what_json_says("chdb_reads_in_files_what_json_says", "chdb");
}

/// A store in Python with these keys, which ends with the test, and its port.
fn store(python: &Path, folder: &Path, secret: &str) -> (Stopped, u16) {
    let mut command = Command::new(python);
    command.args(["-c", STORE]).arg(folder).args(["the-key", secret]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Stopped(child), line.trim().parse().unwrap())
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn to_store(port: u16) -> ExporterConfig {
    let config = json!({"kind": "parquet", "url": "s3://flows/of hosts", "endpoint": format!("http://127.0.0.1:{port}"),
        "region": "eu-central-1", "access-key-id": "the-key", "secret-access-key": "the+secret/key", "give-up-seconds": 1});
    serde_json::from_value(config).unwrap()
}

#[test]
fn a_store_that_checks_signatures_has_what_json_says() {
    let Some(python) = tools::python("a_store_that_checks_signatures_has_what_json_says", "pyarrow") else { return };
    let (records, folder) = (records(), tempfile::tempdir().unwrap());
    let (_store, port) = store(&python, folder.path(), "the+secret/key");
    capture::export(&[to_store(port)], &records, 100);
    let found = rows(&python, "pyarrow", &folder.path().join("flows/of hosts"));
    assert_is_what_json_says(found, &records);
}

#[test]
fn a_store_with_another_key_accepts_nothing() {
    let Some(python) = tools::python("a_store_with_another_key_accepts_nothing", "hmac") else { return };
    let (records, folder) = (records(), tempfile::tempdir().unwrap());
    let (_store, port) = store(&python, folder.path(), "another");
    let set = ExporterSet::start(&[to_store(port)], &capture::context()).unwrap();
    set.send(&records.into());
    let end = set.shutdown(capture::EXPORT_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.lost_total(), fs::read_dir(folder.path()).unwrap().count()), (0, 300, 0));
}
