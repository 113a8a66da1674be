//! What `pidflow collect` takes in beside datagrams: ZeroMQ and TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

#[path = "../../../exporters/tests/common/authority.rs"]
#[allow(dead_code, reason = "the exporters' own tests use more of it")]
mod authority;
mod glue;
mod hops;
mod tls;
mod zmq;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, Template};
use pidflow_schema::FlowRecord;
use pidflow_tests::serving::eventually;
use serde_json::{Map, Value};

const LIMIT: Duration = Duration::from_secs(30);

/// An exporter from a table as in the configuration file.
fn exporter(table: &str) -> ExporterSet {
    let context = ExportContext { mode: Mode::Live, ..ExportContext::default() };
    let config = ExporterConfig::from_table(table.parse().unwrap()).unwrap();
    ExporterSet::start(&[config], &context).unwrap()
}

fn send(set: &ExporterSet, records: &[FlowRecord]) {
    records.chunks(100).for_each(|batch| set.send(&Arc::from(batch)));
}

/// The records of a file of JSON lines, without what a collector adds.
fn collected(file: &Path) -> Vec<Map<String, Value>> {
    objects(&std::fs::read_to_string(file).unwrap_or_default())
}

/// The same of records.
fn written(records: &[FlowRecord]) -> Vec<Map<String, Value>> {
    let mut lines = Vec::new();
    JsonEncoder::new(&Template::default(), JsonKeys::Names, 32_473).encode(records, &mut lines);
    objects(&String::from_utf8(lines).unwrap())
}

fn objects(lines: &str) -> Vec<Map<String, Value>> {
    let whole = lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let object = |line: &str| {
        let mut object: Map<String, Value> = serde_json::from_str(line).unwrap();
        object.retain(|name, _| {
            !name.starts_with("EXPORTER_IPV") && !["OBSERVATION_DOMAIN_ID", "COLLECTOR_PATH"].contains(&name.as_str())
        });
        object
    };
    whole.map(object).collect()
}

/// Waits until the file has that many records.
fn wait_for(file: &Path, count: usize) {
    let done = eventually("all records", || Ok(collected(file).len() >= count));
    done.unwrap_or_else(|e| panic!("{} of {count} records: {e}", collected(file).len()));
}
