//! Converts flow records to OTLP spans: one per record, from its first packet to its last.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use pidflow_schema::{Attribution, Flow, FlowRecord, InitiatorBasis, ProcessEnd};

use crate::template::Template;

use super::attributes::{FlowAttributes, family, transport};
use super::ids::{Ids, Role};
use super::resource::scope;

/// Makes export requests.
pub struct SpanEncoder {
    attributes: FlowAttributes,
    resource: Resource,
}

impl SpanEncoder {
    /// An encoder for the template's elements. `resource`: see [`super::resource()`].
    #[must_use]
    pub fn new(template: &Template, resource: Resource) -> Self {
        Self { attributes: FlowAttributes::new(template), resource }
    }

    /// One span per flow record.
    #[must_use]
    pub fn request(&self, records: &[FlowRecord]) -> ExportTraceServiceRequest {
        let spans = records.iter().map(|r| self.span(r)).collect();
        let scope_spans = ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() };
        let resource = Some(self.resource.clone());
        let traces = ResourceSpans { resource, scope_spans: vec![scope_spans], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![traces] }
    }

    fn span(&self, record: &FlowRecord) -> Span {
        let kind = kind(record);
        let ids = Ids::of(record, role(kind));
        Span {
            trace_id: ids.trace.into(),
            span_id: ids.span.into(),
            parent_span_id: ids.parent.map(Into::into).unwrap_or_default(),
            name: name(&record.flow),
            kind: kind.into(),
            start_time_unix_nano: record.flow.first_ns,
            end_time_unix_nano: record.flow.last_ns,
            attributes: self.attributes.of(record),
            status: record.connect_error.map(status),
            ..Span::default()
        }
    }
}

/// `flow_ipv4_tcp`: one name per address family and protocol, the same names as Mermin's spans.
fn name(flow: &Flow) -> String {
    match transport(flow.protocol) {
        Some(name) => format!("flow_{}_{name}", family(flow)),
        None => format!("flow_{}_{}", family(flow), flow.protocol),
    }
}

/// The span kind: client if this host's process connected, server if it was connected to. Where no process is known, the host's
/// addresses decide. Internal if neither end is on this host, or if it is unknown who connected.
fn kind(record: &FlowRecord) -> SpanKind {
    let end = |is_it: fn(&ProcessEnd) -> bool| match (is_it(&record.source), is_it(&record.destination)) {
        (true, _) => Some(SpanKind::Client),
        (_, true) => Some(SpanKind::Server),
        _ => None,
    };
    let known = record.flow.initiator != InitiatorBasis::FirstPacket;
    let kind = end(|end| end.attribution.has_process()).or_else(|| end(is_here));
    kind.filter(|_| known).unwrap_or(SpanKind::Internal)
}

const fn role(kind: SpanKind) -> Option<Role> {
    match kind {
        SpanKind::Client => Some(Role::Client),
        SpanKind::Server => Some(Role::Server),
        _ => None,
    }
}

fn is_here(end: &ProcessEnd) -> bool {
    !matches!(end.attribution, Attribution::Remote | Attribution::Offline | Attribution::NotReported)
}

fn status(errno: u16) -> Status {
    let error = std::io::Error::from_raw_os_error(errno.into());
    Status { code: StatusCode::Error.into(), message: format!("connect: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn span(record: &FlowRecord) -> Span {
        SpanEncoder::new(&Template::default(), Resource::default()).span(record)
    }

    #[test]
    fn a_span_lasts_as_long_as_its_flow() {
        let record = sample::record(7);
        let span = span(&record);
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (record.flow.first_ns, record.flow.last_ns));
        assert_eq!((span.name.as_str(), span.trace_id.len(), span.span_id.len()), ("flow_ipv6_tcp", 16, 8));
        assert!(span.attributes.iter().any(|a| a.key == "destination.process.pid"));
        assert_eq!(span.status, None);
    }

    #[test]
    fn a_failed_connect_is_an_error() {
        let status = span(&sample::record(10)).status.unwrap();
        assert_eq!(status.code, i32::from(StatusCode::Error));
        assert_eq!(status.message, "connect: Connection refused (os error 111)");
    }

    #[test]
    fn the_kind_is_the_side_that_was_seen() {
        let mut record = sample::record(0);
        assert_eq!(kind(&record), SpanKind::Client);
        record.source = ProcessEnd::unknown(Attribution::NoSocket);
        assert_eq!(kind(&record), SpanKind::Server);
        record.source = ProcessEnd::unknown(Attribution::Remote);
        assert_eq!(kind(&record), SpanKind::Server);
        record.flow.initiator = InitiatorBasis::FirstPacket;
        assert_eq!(kind(&record), SpanKind::Internal);
        record.flow.initiator = InitiatorBasis::Syn;
        record.destination = ProcessEnd::unknown(Attribution::Offline);
        assert_eq!(kind(&record), SpanKind::Internal);
    }
}
