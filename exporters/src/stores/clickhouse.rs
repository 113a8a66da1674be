//! ClickHouse over HTTP: `INSERT … FORMAT JSONEachRow`, the columns being those of `mappings/clickhouse.sql`.

use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::ClickHouseConfig;
use crate::delivery::{Failure, Receiver, Sent};
use crate::json::{JsonEncoder, JsonKeys};
use crate::net::HttpClient;
use crate::template::Template;
use crate::transport::Parts;

/// One table.
pub(crate) struct ClickHouse {
    http: HttpClient,
    path: String,
    encoder: JsonEncoder,
    body: Vec<u8>,
}

impl ClickHouse {
    pub(crate) fn new(config: &ClickHouseConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            // A column that an older table lacks is skipped rather than the row refused.
            path: format!(
                "/?query=INSERT%20INTO%20{}%20FORMAT%20JSONEachRow&input_format_skip_unknown_fields=1",
                config.table
            ),
            encoder: JsonEncoder::new(&template, JsonKeys::Names, parts.context.own_pen),
            body: Vec::new(),
        })
    }
}

impl Receiver for ClickHouse {
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.body.clear();
        self.encoder.encode(records, &mut self.body);
    }

    /// An insert of one block is atomic: it is taken whole or not at all.
    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        let answer = self.http.post(&self.path, "application/x-ndjson", &self.body, limit)?;
        match answer.is_success() {
            true => Ok(Sent { records: records.len(), octets: self.body.len(), ..Sent::default() }),
            false => Err(answer.refusal()),
        }
    }
}
