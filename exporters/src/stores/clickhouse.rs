//! ClickHouse over HTTP: `INSERT … FORMAT JSONEachRow` into the columns of `mappings/clickhouse.sql`.

use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::{DataType, Element, FlowRecord, Value};

use crate::config::ClickHouseConfig;
use crate::delivery::Sent;
use crate::json::{JsonEncoder, JsonKeys};
use crate::net::{HttpClient, Refusal, percent_encoded};
use crate::random::random;
use crate::sink::Parts;
use crate::sink::{Counters, Loss};
use crate::template::Template;

use super::Store;

const SECOND_NS: u64 = 1_000_000_000;

/// One table.
pub(crate) struct ClickHouse {
    http: HttpClient,
    /// The token of an insert without the number of the batch.
    path: String,
    batch: u64,
    encoder: JsonEncoder,
    /// Elements in columns of type `DateTime`.
    seconds: Vec<&'static Element>,
    body: Vec<u8>,
    /// Rows in the body.
    rows: usize,
    counters: Arc<Counters>,
}

impl ClickHouse {
    pub(crate) fn new(config: &ClickHouseConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            path: path(config),
            batch: 0,
            encoder: JsonEncoder::new(&template, JsonKeys::Names, parts.context.own_pen),
            seconds: template.elements().iter().copied().filter(|e| e.data_type == DataType::DateTimeSeconds).collect(),
            body: Vec::new(),
            rows: 0,
            counters: parts.counters.clone(),
        })
    }
}

/// If an older table lacks a column, the column is skipped instead of the row being refused. If the table keeps tokens
/// (replicated tables do, and that of `mappings/clickhouse.sql`), a batch that is sent again because its answer was
/// lost is stored once.
fn path(config: &ClickHouseConfig) -> String {
    let insert = percent_encoded(&format!("INSERT INTO {} FORMAT JSONEachRow", config.table));
    let mut path = format!("/?query={insert}");
    if !config.settings.contains_key("input_format_skip_unknown_fields") {
        path.push_str("&input_format_skip_unknown_fields=1");
    }
    for (name, value) in &config.settings {
        path.push_str(&format!("&{name}={}", percent_encoded(value)));
    }
    format!("{path}&insert_deduplication_token={:016x}-", random())
}

impl ClickHouse {
    /// `DateTime` has 32 bits of seconds; a later time would silently become another time.
    fn has_its_times(&self, record: &FlowRecord) -> bool {
        self.seconds.iter().filter_map(|e| (e.read)(record)).all(|value| match value {
            Value::Time(ns) => ns / SECOND_NS <= u64::from(u32::MAX),
            _ => true,
        })
    }

    fn sent(&self, records: &[FlowRecord]) -> Sent {
        let left_out = records.len() - self.rows;
        self.counters.lost(Loss::TimeOutOfRange, left_out);
        Sent { records: self.rows, octets: self.body.len(), left_out, rejected: 0 }
    }
}

impl Store for ClickHouse {
    fn fill(&mut self, records: &[FlowRecord]) {
        self.batch += 1;
        self.body.clear();
        self.rows = 0;
        for record in records {
            if self.has_its_times(record) {
                self.encoder.encode(std::slice::from_ref(record), &mut self.body);
                self.rows += 1;
            }
        }
    }

    /// An insert of one block is atomic: it is stored completely or not at all.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal> {
        if self.rows == 0 {
            return Ok(self.sent(records));
        }
        let path = format!("{}{:x}", self.path, self.batch);
        let answer = self.http.post(&path, "application/x-ndjson", &self.body, limit)?;
        match answer.status {
            200 => Ok(self.sent(records)),
            _ => Err(answer.refusal()),
        }
    }
}
