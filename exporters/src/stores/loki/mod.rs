//! Grafana Loki: JSON lines over its push API.

pub(super) mod answer;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::LokiConfig;
use crate::delivery::{Failure, Retry, Sent};
use crate::json::{JsonEncoder, JsonKeys, put_string};
use crate::net::{Answer, HttpClient, Refusal};
use crate::sink::Parts;
use crate::sink::{Counters, Loss};
use crate::template::Template;
use crate::time::signed_ns;

use super::Store;

/// One server, and one stream in it.
pub(crate) struct Loki {
    http: HttpClient,
    encoder: JsonEncoder,
    /// The beginning of a request: the stream's labels.
    head: Vec<u8>,
    line: Vec<u8>,
    body: Vec<u8>,
    /// Number of lines in it.
    lines: usize,
    counters: Arc<Counters>,
}

impl Loki {
    pub(crate) fn new(config: &LokiConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        let mut labels = config.labels.clone();
        if !parts.context.host_name.is_empty() {
            labels.entry("host".into()).or_insert_with(|| parts.context.host_name.clone());
        }
        let labels = serde_json::to_string(&labels).map_err(|e| e.to_string())?;
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            encoder: JsonEncoder::new(&template, JsonKeys::Names, parts.context.own_pen),
            head: format!("{{\"streams\":[{{\"stream\":{labels},\"values\":[").into_bytes(),
            line: Vec::new(),
            body: Vec::new(),
            lines: 0,
            counters: parts.counters.clone(),
        })
    }

    /// Appends `["time","line"],` unless Loki cannot represent the time, because it would then refuse all lines of the
    /// request.
    fn put(&mut self, record: &FlowRecord) {
        let Some(time) = signed_ns(record.flow.last_ns) else { return };
        self.lines += 1;
        self.line.clear();
        self.encoder.encode(std::slice::from_ref(record), &mut self.line);
        // Writing to memory cannot fail.
        let _ = write!(self.body, "[\"{time}\",");
        put_string(String::from_utf8_lossy(&self.line).trim_end(), &mut self.body);
        self.body.extend_from_slice(b"],");
    }
}

impl Loki {
    /// The result; records left out of an answered request are counted.
    fn counted(&self, sent: Sent) -> Sent {
        self.counters.lost(Loss::TimeOutOfRange, sent.left_out);
        sent
    }
}

impl Store for Loki {
    /// Lines in the order of time, which older servers require within a stream.
    fn fill(&mut self, records: &[FlowRecord]) {
        self.body.clone_from(&self.head);
        self.lines = 0;
        let mut sorted: Vec<_> = records.iter().collect();
        sorted.sort_by_key(|r| r.flow.last_ns);
        sorted.into_iter().for_each(|r| self.put(r));
        if self.body.last() == Some(&b',') {
            self.body.pop();
        }
        self.body.extend_from_slice(b"]}]}");
    }

    /// Lines that are sent again are stored once, because stream, time and text are the same.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal> {
        let left_out = records.len() - self.lines;
        if self.lines == 0 {
            return Ok(self.counted(Sent { left_out, ..Sent::default() }));
        }
        let answer = self.http.post("/loki/api/v1/push", "application/json", &self.body, limit)?;
        let taken = Sent { records: self.lines, octets: self.body.len(), left_out, rejected: 0 };
        match answer.status {
            204 => Ok(self.counted(taken)),
            400 => Err(partial(&answer, self.counted(taken)).into()),
            _ => Err(answer.refusal()),
        }
    }
}

/// Loki stores the lines it can, and reports how many it ignored (`total ignored: 2 out of 10 for stream …`). If it
/// does not report the number, all lines count as refused.
fn partial(answer: &Answer, all: Sent) -> Failure {
    let ignored = answer::ignored(&answer.body).filter(|(_, of)| *of == all.records);
    let rejected = ignored.map_or(all.records, |(n, _)| n.min(all.records));
    let sent = Sent { records: all.records - rejected, rejected, ..all };
    Failure { retry: Retry::Never, sent, ..answer.refusal().failure }
}
