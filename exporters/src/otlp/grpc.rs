//! OTLP/gRPC, on a runtime that runs only during a request.

use std::time::Duration;

use prost::bytes::{Buf, BufMut, Bytes};
use tokio::runtime::{Builder, Runtime};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::config::{HttpConfig, Signal, TlsConfig, request_headers};
use crate::net::{Refusal, takes_any};

use super::answer::Taken;
use super::retry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One receiver.
pub(super) struct Grpc {
    runtime: Runtime,
    service: tonic::client::Grpc<Channel>,
    headers: MetadataMap,
}

impl Grpc {
    /// Connects with the first request, and again whenever the connection is lost.
    pub(super) fn new(config: &HttpConfig) -> Result<Self, String> {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|e| format!("cannot start a runtime: {e}"))?;
        let endpoint = Endpoint::from_shared(config.url.clone()).map_err(|e| format!("not an address: {e}"))?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let endpoint = if config.url.starts_with("https:") { secure(endpoint, &config.tls)? } else { endpoint };
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        let service = tonic::client::Grpc::new(channel).accept_compressed(CompressionEncoding::Gzip);
        let service = if config.gzip { service.send_compressed(CompressionEncoding::Gzip) } else { service };
        let headers = MetadataMap::from_headers(request_headers(config)?.into_iter().collect());
        Ok(Self { runtime, service, headers })
    }

    pub(super) fn send(&mut self, signal: Signal, request: &Bytes, limit: Duration) -> Result<Taken, Refusal> {
        let path = PathAndQuery::from_static(match signal {
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        });
        let mut request = Request::new(request.clone());
        *request.metadata_mut() = self.headers.clone();
        // Tells the receiver the time limit too.
        request.set_timeout(limit);
        let service = &mut self.service;
        let exchange = async {
            service.ready().await.map_err(|e| Status::from_error(e.into()))?;
            service.unary(request, path, Octets).await
        };
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, exchange).await });
        let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        answer.map(|a| Taken::decode(&a.into_inner())).map_err(|status| retry::of_grpc(&status))
    }
}

fn secure(endpoint: Endpoint, config: &TlsConfig) -> Result<Endpoint, String> {
    let tls = ClientTlsConfig::new();
    let tls = match &config.server_name {
        Some(name) => tls.domain_name(name),
        None => tls,
    };
    let tls = match &config.identity {
        Some((chain, key)) => tls.identity(Identity::from_pem(chain, key.reveal())),
        None => tls,
    };
    let secured = match &config.ca {
        _ if config.insecure => endpoint.tls_config_with_verifier(tls, takes_any()),
        Some(pem) => endpoint.tls_config(tls.ca_certificate(Certificate::from_pem(pem))),
        None => endpoint.tls_config(tls.with_native_roots()),
    };
    secured.map_err(|e| format!("TLS: {}", cause(&e)))
}

/// tonic's own message is only "transport error".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Messages are encoded once, whatever the number of attempts.
#[derive(Clone, Copy, Default)]
struct Octets;

impl Codec for Octets {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Octets {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Octets {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
