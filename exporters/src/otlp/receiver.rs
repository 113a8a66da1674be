//! Delivery of log records to an OTLP receiver.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use pidflow_schema::FlowRecord;
use prost::Message;

use crate::config::OtlpConfig;
use crate::delivery::{Failure, Receiver, Sent};
use crate::exporter::wall_ns;
use crate::template::Template;
use crate::transport::Parts;

use super::LogEncoder;
use super::client::Client;
use super::retry;

/// One receiver.
pub(crate) struct OtlpReceiver {
    encoder: LogEncoder,
    client: Client,
    request: ExportLogsServiceRequest,
}

impl OtlpReceiver {
    pub(crate) fn new(config: &OtlpConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let context = parts.context;
        let template = context.template(parts.config.template.as_ref(), Template::default);
        let encoder = LogEncoder::new(&template, &context.host_name, &context.host_id);
        Ok(Self { encoder, client: Client::new(config)?, request: ExportLogsServiceRequest::default() })
    }
}

impl Receiver for OtlpReceiver {
    /// A log record is observed when it is made, also from a capture of last year.
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.request = self.encoder.request(records, wall_ns());
    }

    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        let rejected = self.client.export(self.request.clone(), limit).map_err(|status| retry::failure(&status))?;
        let rejected = rejected.min(records.len());
        Ok(Sent { records: records.len() - rejected, octets: self.request.encoded_len(), rejected, left_out: 0 })
    }
}
