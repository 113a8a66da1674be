//! Delivery of records to an OTLP receiver.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;
use prost::Message;
use prost::bytes::Bytes;

use crate::config::{OtlpConfig, Signal};
use crate::delivery::{Failure, Receiver, Retry, Sent};
use crate::exporter::{Link, wall_ns};
use crate::net::one_line;
use crate::template::Template;
use crate::transport::Parts;

use super::answer::Taken;
use super::client::Client;
use super::pusher::Pusher;
use super::{LogEncoder, SpanEncoder, resource};

/// Octets of a request at most: receivers take 4 MiB over gRPC unless told otherwise. A single record may be larger.
const LARGEST: usize = 3 << 20;

/// One receiver.
pub(crate) struct OtlpReceiver {
    logs: Option<LogEncoder>,
    spans: Option<SpanEncoder>,
    client: Client,
    metrics: Option<Pusher>,
    waiting: VecDeque<Part>,
    /// Why the receiver refused parts of these records for good.
    refused: Option<String>,
    link: Link,
}

/// Records that are sent in one request of each signal.
struct Part {
    records: usize,
    /// What is yet to be sent.
    requests: VecDeque<(Signal, Bytes)>,
    /// Records of it that the receiver refused, of the signal of which it refused most.
    rejected: usize,
    /// Whether a whole request of it was refused for good.
    refused: bool,
}

impl OtlpReceiver {
    pub(crate) fn new(config: &OtlpConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let context = parts.context;
        let template = context.template(parts.config.template.as_ref(), Template::default);
        let given = context.resource.iter().chain(&config.resource);
        let resource = resource(&context.host_name, &context.host_id, given);
        let wanted = |signal| config.signals.contains(&signal);
        let host = if context.host_id.is_empty() { &context.host_name } else { &context.host_id };
        Ok(Self {
            logs: wanted(Signal::Logs).then(|| LogEncoder::new(&template, resource.clone())),
            spans: wanted(Signal::Traces).then(|| SpanEncoder::new(&template, resource.clone(), host)),
            client: Client::new(config)?,
            metrics: Pusher::new(config, &resource, parts),
            waiting: VecDeque::new(),
            refused: None,
            link: parts.link(),
        })
    }

    /// Encodes the records, in halves where they are too many for one request.
    fn prepare(&mut self, records: &[FlowRecord], now_ns: u64) {
        let logs = self.logs.iter().map(|e| (Signal::Logs, e.request(records, now_ns).encode_to_vec()));
        let spans = self.spans.iter().map(|e| (Signal::Traces, e.request(records).encode_to_vec()));
        let requests: VecDeque<_> = logs.chain(spans).map(|(signal, octets)| (signal, Bytes::from(octets))).collect();
        if records.len() > 1 && requests.iter().any(|(_, octets)| octets.len() > LARGEST) {
            let (first, second) = records.split_at(records.len() / 2);
            self.prepare(first, now_ns);
            return self.prepare(second, now_ns);
        }
        self.waiting.push_back(Part { records: records.len(), requests, rejected: 0, refused: false });
    }

    /// Sends what is left of the first part; what the receiver has an answer for is not sent again.
    fn send_part(&mut self, part: &mut Part, end: Instant) -> Result<Sent, Failure> {
        let mut sent = Sent::default();
        while let Some((signal, octets)) = part.requests.front() {
            match self.client.send(*signal, octets, end.saturating_duration_since(Instant::now())) {
                Ok(taken) => {
                    sent.octets += octets.len();
                    part.rejected = part.rejected.max(taken.rejected).min(part.records);
                    self.warn(&taken);
                }
                Err(Failure { retry: Retry::Never, message, .. }) => {
                    part.refused = true;
                    self.refused = Some(message);
                }
                Err(failure) => return Err(Failure { sent, ..failure }),
            }
            part.requests.pop_front();
        }
        if !part.refused {
            (sent.records, sent.rejected) = (part.records - part.rejected, part.rejected);
        }
        Ok(sent)
    }

    fn warn(&mut self, Taken { rejected, message }: &Taken) {
        let (message, notice) = (one_line(message), &mut self.link.notice);
        match (*rejected, message.is_empty()) {
            (0, true) => {}
            (0, false) => notice.failed(&message, "the receiver took everything, and warns"),
            (n, _) => notice.failed(&format!("the receiver refused {n} records: {message}"), "the others were taken"),
        }
    }
}

impl Receiver for OtlpReceiver {
    /// A log record is observed when it is made, also from a capture of last year.
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.waiting.clear();
        self.refused = None;
        self.prepare(records, wall_ns());
    }

    fn attempt(&mut self, _records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        let end = Instant::now() + limit;
        if let Some(metrics) = &mut self.metrics {
            metrics.push_if_due(&mut self.client, limit);
        }
        let mut sent = Sent::default();
        while let Some(mut part) = self.waiting.pop_front() {
            let result = self.send_part(&mut part, end);
            let more = result.as_ref().map_or_else(|failure| failure.sent, |sent| *sent);
            sent.add(more);
            if let Err(failure) = result {
                self.waiting.push_front(part);
                return Err(Failure { sent, ..failure });
            }
        }
        match self.refused.take() {
            Some(message) => Err(Failure { retry: Retry::Never, sent, ..Failure::passing(message) }),
            None => Ok(sent),
        }
    }

    fn idle(&mut self) {
        if let Some(metrics) = &mut self.metrics {
            metrics.idle(&mut self.client);
        }
    }
}
