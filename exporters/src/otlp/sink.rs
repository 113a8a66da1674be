//! Delivery of log records: repeated until they are taken, refused for good, or time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use pidflow_schema::FlowRecord;
use prost::Message;

use crate::config::OtlpConfig;
use crate::exporter::{Control, Counters, ExportContext, Loss, StartError};
use crate::template::Template;
use crate::transport::Notice;

use super::LogEncoder;
use super::client::Client;
use super::retry::Backoff;

/// Exports to one receiver.
pub(crate) struct OtlpSink {
    encoder: LogEncoder,
    client: Client,
    batch_records: usize,
    timeout: Duration,
    give_up: Duration,
    counters: Arc<Counters>,
    control: Arc<Control>,
    notice: Notice,
}

impl OtlpSink {
    pub(crate) fn new(
        config: &OtlpConfig,
        name: String,
        context: &ExportContext,
        (counters, control): (&Arc<Counters>, &Arc<Control>),
    ) -> Result<Self, StartError> {
        let client = Client::new(config).map_err(|reason| StartError::Client { exporter: name.clone(), reason })?;
        let template = context.template(config.template.as_ref(), Template::default);
        Ok(Self {
            encoder: LogEncoder::new(&template, &context.host_name, &context.host_id),
            client,
            batch_records: config.batch_records.max(1),
            timeout: config.timeout,
            give_up: config.give_up,
            counters: counters.clone(),
            control: control.clone(),
            notice: Notice::new(name),
        })
    }

    pub(crate) fn export(&mut self, records: &[FlowRecord], now_ns: u64) {
        for part in records.chunks(self.batch_records) {
            let request = self.encoder.request(part, now_ns);
            self.deliver(&request, part.len());
        }
    }

    /// Counts the records as exported, or as lost with the reason.
    fn deliver(&mut self, request: &ExportLogsServiceRequest, records: usize) {
        match self.attempts(request) {
            Ok(refused) => {
                let refused = refused.min(records);
                self.counters.sent(records - refused, request.encoded_len());
                self.counters.lost(Loss::Rejected, refused);
                self.notice.worked();
            }
            Err(why) => self.counters.lost(why, records),
        }
    }

    /// Until an attempt succeeds. Returns how many records were refused.
    fn attempts(&mut self, request: &ExportLogsServiceRequest) -> Result<usize, Loss> {
        let give_up = Instant::now() + self.give_up;
        let mut backoff = Backoff::new();
        loop {
            let limit = self.control.remaining().map_or(self.timeout, |left| left.min(self.timeout));
            let status = match self.client.export(request.clone(), limit) {
                Ok(refused) => return Ok(refused),
                Err(status) => status,
            };
            self.counters.error();
            let message = format!("{:?}: {}", status.code(), status.message());
            let Some(pause) = backoff.after(&status) else {
                self.notice.failed(&message, "the receiver refused records for good, they are lost");
                return Err(Loss::Rejected);
            };
            self.notice.failed(&message, "trying again, records wait");
            if !self.control.pause(pause) {
                return Err(Loss::Shutdown);
            }
            if Instant::now() >= give_up {
                return Err(Loss::Unreachable);
            }
            self.counters.retry();
        }
    }
}
