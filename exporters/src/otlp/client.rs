//! The gRPC client, on a runtime that runs only while a request is under way.

use std::str::FromStr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use tokio::runtime::{Builder, Runtime};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::config::{OtlpConfig, TlsConfig};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request at a time.
pub(super) struct Client {
    runtime: Runtime,
    service: LogsServiceClient<Channel>,
    headers: MetadataMap,
}

impl Client {
    /// Connects with the first request, and again whenever the connection is lost.
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| format!("no runtime: {e}"))?;
        let endpoint = Endpoint::from_shared(config.http.url.clone()).map_err(|e| format!("not an address: {e}"))?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let endpoint = endpoint.tls_config(tls(&config.http.tls)).map_err(|e| format!("TLS: {e}"))?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        let service = LogsServiceClient::new(channel);
        let service = if config.http.gzip { service.send_compressed(CompressionEncoding::Gzip) } else { service };
        Ok(Self { runtime, service, headers: headers(config)? })
    }

    /// Sends the request. Returns how many records of it the receiver refused.
    pub(super) fn export(&mut self, body: ExportLogsServiceRequest, limit: Duration) -> Result<usize, Status> {
        let mut request = Request::new(body);
        *request.metadata_mut() = self.headers.clone();
        let service = &mut self.service;
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, service.export(request)).await });
        let answer = answer.map_err(|_| Status::deadline_exceeded("no answer in time"))??;
        let partial = answer.into_inner().partial_success.unwrap_or_default();
        Ok(usize::try_from(partial.rejected_log_records).unwrap_or(0))
    }
}

/// The values may be secrets, so that an error names the key only.
fn headers(config: &OtlpConfig) -> Result<MetadataMap, String> {
    let mut map = MetadataMap::new();
    for (name, value) in &config.http.headers {
        let key = MetadataKey::<Ascii>::from_str(name).map_err(|_| format!("`{name}` is not a header's name"))?;
        let value =
            MetadataValue::from_str(value.reveal()).map_err(|_| format!("the value of header `{name}` is not text"))?;
        map.insert(key, value);
    }
    Ok(map)
}

/// Used where the address begins with `https`.
fn tls(config: &TlsConfig) -> ClientTlsConfig {
    let tls = ClientTlsConfig::new();
    let tls = match &config.ca {
        Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
        None => tls.with_native_roots(),
    };
    match &config.identity {
        Some((chain, key)) => tls.identity(Identity::from_pem(chain, key.reveal())),
        None => tls,
    }
}
