//! InfluxDB: line protocol over HTTP.

pub(super) mod answer;
mod line;

use std::sync::Arc;
use std::time::Duration;

use pidflow_schema::FlowRecord;

use crate::config::{InfluxBucket, InfluxConfig};
use crate::delivery::{Failure, Retry, Sent};
use crate::net::{HttpClient, Refusal, percent_encoded};
use crate::sink::Parts;
use crate::sink::{Counters, Loss};
use crate::template::Template;

use super::Store;

pub use line::{InfluxEncoder, NoPoint};

/// One database or bucket.
pub(crate) struct Influx {
    http: HttpClient,
    path: String,
    encoder: InfluxEncoder,
    body: Vec<u8>,
    /// Number of lines in the body.
    points: usize,
    /// Number of records without a line because of their time.
    out_of_time: usize,
    counters: Arc<Counters>,
}

impl Influx {
    pub(crate) fn new(config: &InfluxConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let template = parts.context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            http: HttpClient::new(&config.http)?,
            path: path(&config.bucket),
            encoder: InfluxEncoder::new(&template, &config.tags, &parts.context.host_name),
            body: Vec::new(),
            points: 0,
            out_of_time: 0,
            counters: parts.counters.clone(),
        })
    }

    /// All points were written except this many.
    fn sent(&self, rejected: usize, records: usize) -> Sent {
        let (rejected, left_out) = (rejected.min(self.points), records - self.points);
        self.counters.lost(Loss::TimeOutOfRange, self.out_of_time);
        self.counters.lost(Loss::NoElements, left_out - self.out_of_time);
        Sent { records: self.points - rejected, octets: self.body.len(), rejected, left_out }
    }
}

fn path(bucket: &InfluxBucket) -> String {
    match bucket {
        InfluxBucket::Database(database, policy) => {
            let policy = policy.as_ref().map(|p| format!("&rp={}", percent_encoded(p))).unwrap_or_default();
            format!("/write?db={}{policy}&precision=ns", percent_encoded(database))
        }
        InfluxBucket::Bucket(organization, bucket) => format!(
            "/api/v2/write?org={}&bucket={}&precision=ns",
            percent_encoded(organization),
            percent_encoded(bucket)
        ),
    }
}

impl Store for Influx {
    fn fill(&mut self, records: &[FlowRecord]) {
        self.body.clear();
        (self.points, self.out_of_time) = (0, 0);
        for record in records {
            match self.encoder.put(record, &mut self.body) {
                Ok(()) => self.points += 1,
                Err(NoPoint::TimeOutOfRange) => self.out_of_time += 1,
                Err(NoPoint::NoField) => {}
            }
        }
    }

    /// A point that is sent again replaces the first one.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal> {
        if self.points == 0 {
            return Ok(self.sent(0, records.len()));
        }
        let answer = self.http.post(&self.path, "text/plain; charset=utf-8", &self.body, limit)?;
        match answer.status {
            204 => Ok(self.sent(0, records.len())),
            400 | 422 => Err(match answer::dropped(&answer.body) {
                Some(n) => {
                    let sent = self.sent(n, records.len());
                    Failure { retry: Retry::Never, sent, ..answer.refusal().failure }.into()
                }
                None => answer.refusal(),
            }),
            _ => Err(answer.refusal()),
        }
    }
}
