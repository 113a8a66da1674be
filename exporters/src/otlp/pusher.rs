//! Sends metrics at intervals. They do not count as records.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use prost::bytes::Bytes;

use crate::config::{OtlpConfig, Signal};
use crate::delivery::{Backoff, Failure, Retry};
use crate::metric_source::MetricSource;
use crate::net::one_line;
use crate::sink::Link;
use crate::sink::Parts;
use crate::time::wall_ns;

use super::answer::Taken;
use super::client::Client;
use super::metrics::MetricEncoder;

/// Decides when metrics are due. A failed push is not repeated; the next one, which comes sooner after a temporary
/// failure, sends the newest values, because the metrics are cumulative.
pub(super) struct Pusher {
    source: MetricSource,
    encoder: MetricEncoder,
    interval: Duration,
    timeout: Duration,
    next: Instant,
    backoff: Backoff,
    /// Whether the last push before the end has been made.
    ended: bool,
    link: Link,
}

impl Pusher {
    /// None if no metrics are configured, or the run has none.
    pub(super) fn new(config: &OtlpConfig, resource: &Resource, parts: &Parts<'_>) -> Option<Self> {
        let wanted = config.signals.contains(&Signal::Metrics);
        let source = parts.context.metrics.clone().filter(|_| wanted)?;
        Some(Self {
            encoder: MetricEncoder::new(resource.clone(), source.start_ns()),
            source,
            interval: config.metric_interval,
            timeout: parts.config.delivery.timeout,
            next: Instant::now() + config.metric_interval,
            backoff: Backoff::new(),
            ended: false,
            link: parts.link(),
        })
    }

    /// Sends the metrics when they are due, and once more when the exporter is stopped and has no records left.
    pub(super) fn idle(&mut self, client: &mut Client) {
        let remaining = self.link.control.remaining();
        let last = remaining.is_some() && !std::mem::replace(&mut self.ended, remaining.is_some());
        if last || Instant::now() >= self.next {
            self.push(client, remaining.map_or(self.timeout, |r| r.min(self.timeout)));
        }
    }

    /// Sends the metrics when they are due, within `limit`.
    pub(super) fn push_if_due(&mut self, client: &mut Client, limit: Duration) {
        if Instant::now() >= self.next {
            self.push(client, limit);
        }
    }

    fn push(&mut self, client: &mut Client, limit: Duration) {
        let end = Instant::now() + limit;
        self.next = Instant::now() + self.interval;
        for request in self.encoder.requests(&self.source.families(), wall_ns()) {
            let octets = Bytes::from(request.encode_to_vec());
            let left = end.saturating_duration_since(Instant::now());
            match client.send(Signal::Metrics, &octets, left) {
                Ok(taken) => self.taken(&taken, octets.len()),
                Err(refusal) => return self.failed(&refusal.failure),
            }
        }
        self.backoff = Backoff::new();
    }

    fn taken(&mut self, taken: &Taken, octets: usize) {
        self.link.counters.sent(0, octets);
        if taken.rejected == 0 {
            return self.link.notice.worked();
        }
        let what = format!("the receiver refused {} data points: {}", taken.rejected, one_line(&taken.message));
        self.link.failed(&what, "they are sent again with the next metrics");
    }

    /// After a temporary failure the next push comes before the interval ends, unless the receiver asks for a longer
    /// pause.
    fn failed(&mut self, failure: &Failure) {
        let pause = match failure.retry {
            Retry::Never => self.interval,
            Retry::Backoff => self.backoff.pause(None).min(self.interval),
            Retry::After(asked) => self.backoff.pause(Some(asked)),
        };
        self.next = Instant::now() + pause;
        self.link.failed(&failure.message, "the next export sends the current values");
    }
}
