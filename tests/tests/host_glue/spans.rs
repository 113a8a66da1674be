//! Receives spans as a backend does, and checks which of them are one trace.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use pidflow_tests::namespace::Namespace;
use prost::Message;

#[path = "../../../exporters/tests/common/http.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared by several test programs; in a test a failure is a panic")]
mod http;

pub(crate) struct Spans(http::Server);

impl Spans {
    pub(crate) fn receive_in(host: &Namespace) -> Result<Self> {
        host.within(|| Ok(Self(http::Server::start(None, |_| http::Reply::status(200)))))
    }

    /// The agent's configuration.
    pub(crate) fn exporter(&self) -> String {
        let url = self.0.url();
        format!(
            "[[exporter]]\nkind = \"otlp\"\nprotocol = \"http/protobuf\"\nurl = \"{url}\"\nsignals = [\"traces\"]\n"
        )
    }

    pub(crate) fn received(&self) -> Result<Vec<Span>> {
        let mut all = Vec::new();
        for request in self.0.requests() {
            let request = ExportTraceServiceRequest::decode(request.body.as_slice())?;
            all.extend(request.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans));
        }
        Ok(all)
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The traces with a root at the client's host and a child of it at the server's. No two spans have the same id.
pub(crate) fn in_one_trace(client: &[Span], server: &[Span]) -> Result<HashSet<String>> {
    let ids: HashSet<_> = client.iter().chain(server).map(|span| (&span.trace_id, &span.span_id)).collect();
    ensure!(ids.len() == client.len() + server.len(), "{} ids of {} spans", ids.len(), client.len() + server.len());
    let is_root = |span: &&Span| span.parent_span_id.is_empty() && span.kind == i32::from(SpanKind::Client);
    let roots: HashMap<_, _> = client.iter().filter(is_root).map(|span| (&span.trace_id, &span.span_id)).collect();
    let children = server.iter().filter(|span| roots.get(&span.trace_id) == Some(&&span.parent_span_id));
    let traces: HashSet<_> = children.map(|span| hex(&span.trace_id)).collect();
    traces.iter().next().context("no trace of two hosts")?;
    Ok(traces)
}
