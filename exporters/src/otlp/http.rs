//! OTLP/HTTP with protobuf.

use std::time::Duration;

use crate::config::{OtlpConfig, Signal};
use crate::net::{HttpClient, Refusal};

use super::answer::Taken;
use super::retry;

const MEDIA_TYPE: &str = "application/x-protobuf";

/// One receiver.
pub(super) struct Http {
    http: HttpClient,
    exact: bool,
}

impl Http {
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, String> {
        Ok(Self { http: HttpClient::new(&config.http)?, exact: config.exact })
    }

    pub(super) fn send(&self, signal: Signal, request: &[u8], limit: Duration) -> Result<Taken, Refusal> {
        let path = match (self.exact, signal) {
            (true, _) => "",
            (_, Signal::Logs) => "/v1/logs",
            (_, Signal::Metrics) => "/v1/metrics",
            (_, Signal::Traces) => "/v1/traces",
        };
        let answer = self.http.post(path, MEDIA_TYPE, request, limit)?;
        if answer.is_success() { Ok(Taken::decode(&answer.body)) } else { Err(retry::of_http(&answer)) }
    }
}
