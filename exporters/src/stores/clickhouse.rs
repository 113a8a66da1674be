//! ClickHouse over HTTP: `INSERT … FORMAT JSONEachRow`, the columns being those of `mappings/clickhouse.sql`.

use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::ClickHouseConfig;
use crate::delivery::Sent;
use crate::json::{JsonEncoder, JsonKeys};
use crate::net::{HttpClient, Refusal, percent_encoded};
use crate::random::random;
use crate::template::Template;
use crate::transport::Parts;

use super::Store;

/// One table.
pub(crate) struct ClickHouse {
    http: HttpClient,
    /// All of it but the number of the batch.
    path: String,
    batch: u64,
    encoder: JsonEncoder,
    body: Vec<u8>,
}

impl ClickHouse {
    pub(crate) fn new(config: &ClickHouseConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            path: path(config),
            batch: 0,
            encoder: JsonEncoder::new(&template, JsonKeys::Names, parts.context.own_pen),
            body: Vec::new(),
        })
    }
}

/// A column that an older table lacks is skipped rather than the row refused. Where the table keeps tokens (replicated
/// ones do, and that of `mappings/clickhouse.sql`), a batch that is sent again because its answer was lost is there once.
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

impl Store for ClickHouse {
    fn fill(&mut self, records: &[FlowRecord]) {
        self.batch += 1;
        self.body.clear();
        self.encoder.encode(records, &mut self.body);
    }

    /// An insert of one block is atomic: it is taken whole or not at all.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal> {
        let path = format!("{}{:x}", self.path, self.batch);
        let answer = self.http.post(&path, "application/x-ndjson", &self.body, limit)?;
        match answer.status {
            200 => Ok(Sent { records: records.len(), octets: self.body.len(), ..Sent::default() }),
            _ => Err(answer.refusal()),
        }
    }
}
