//! Delivery of records to an OTLP receiver.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;
use prost::Message;
use prost::bytes::Bytes;

use crate::config::{OtlpConfig, Signal};
use crate::delivery::{Failure, Receiver, Retry, Sent};
use crate::net::{Refusal, RefusalReason};
use crate::sink::Link;
use crate::sink::Parts;
use crate::template::Template;
use crate::time::wall_ns;

use super::client::Client;
use super::part::Part;
use super::pusher::Pusher;
use super::{LogEncoder, SpanEncoder, resource};

/// Maximum size of a request, bytes: receivers accept 4 MiB over gRPC by default. A single record may be larger.
const MAX_REQUEST: usize = 3 << 20;

/// One receiver.
pub(crate) struct OtlpReceiver {
    logs: Option<LogEncoder>,
    spans: Option<SpanEncoder>,
    client: Client,
    metrics: Option<Pusher>,
    waiting: VecDeque<Part>,
    /// When the current records were converted to log records, nanoseconds since the epoch.
    observed_ns: u64,
    /// Why the receiver refused parts of these records permanently.
    refused: Option<String>,
    link: Link,
}

impl OtlpReceiver {
    pub(crate) fn new(config: &OtlpConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let context = parts.context;
        let template = context.template(parts.config.template.as_ref(), Template::default);
        let given = context.resource.iter().chain(&config.resource);
        let resource = resource(&context.host_name, &context.host_id, given);
        let wanted = |signal| config.signals.contains(&signal);
        Ok(Self {
            logs: wanted(Signal::Logs).then(|| LogEncoder::new(&template, resource.clone())),
            spans: wanted(Signal::Traces).then(|| SpanEncoder::new(&template, resource.clone())),
            client: Client::new(config)?,
            metrics: Pusher::new(config, &resource, parts),
            waiting: VecDeque::new(),
            observed_ns: 0,
            refused: None,
            link: parts.link(),
        })
    }

    /// Encodes the first of the records to be sent, in halves if they are too many for one request.
    fn prepare(&mut self, records: &[FlowRecord], of: Range<usize>) {
        let part = records.get(of.clone()).unwrap_or_default();
        let logs = self.logs.iter().map(|e| (Signal::Logs, e.request(part, self.observed_ns).encode_to_vec()));
        let spans = self.spans.iter().map(|e| (Signal::Traces, e.request(part).encode_to_vec()));
        let requests: VecDeque<_> = logs.chain(spans).map(|(signal, octets)| (signal, Bytes::from(octets))).collect();
        if of.len() > 1 && requests.iter().any(|(_, octets)| octets.len() > MAX_REQUEST) {
            return self.prepare_halves(records, &of);
        }
        self.waiting.push_front(Part::new(of, requests));
    }

    fn prepare_halves(&mut self, records: &[FlowRecord], of: &Range<usize>) {
        let middle = of.start + of.len() / 2;
        self.prepare(records, middle..of.end);
        self.prepare(records, of.start..middle);
    }

    /// Counts a part that the receiver has answered for all signals.
    fn finish(&mut self, part: &Part, sent: &mut Sent) {
        sent.rejected += part.missing;
        for (signal, message) in part.half_refusals() {
            let consequence =
                format!("the receiver refuses {} permanently; it gets the records by another signal", signal.name());
            self.link.failed(message, &consequence);
        }
        if let Some(message) = part.refusal() {
            self.refused = Some(message.to_owned());
        }
    }
}

impl Receiver for OtlpReceiver {
    /// The observed time of a log record is when it was made, even from an old capture.
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.waiting.clear();
        self.refused = None;
        self.observed_ns = wall_ns();
        self.prepare(records, 0..records.len());
    }

    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        let end = Instant::now() + limit;
        if let Some(metrics) = &mut self.metrics {
            // If the metrics get no answer, the records still get half of the time.
            metrics.push_if_due(&mut self.client, limit / 2);
        }
        let mut sent = Sent::default();
        while let Some(mut part) = self.waiting.pop_front() {
            match part.send(&mut self.client, end, &mut sent, &mut self.link.notice) {
                Ok(()) => self.finish(&part, &mut sent),
                Err(Refusal { why: RefusalReason::TooLarge, .. }) => self.prepare_halves(records, &part.of),
                Err(Refusal { failure, .. }) => {
                    self.waiting.push_front(part);
                    return Err(Failure { sent, ..failure });
                }
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
