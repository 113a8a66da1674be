//! Sends requests to the receiver, over gRPC or HTTP.

use std::time::Duration;

use prost::bytes::Bytes;

use crate::config::{OtlpConfig, OtlpProtocol, Signal};
use crate::net::Refusal;

use super::answer::Taken;
use super::grpc::Grpc;
use super::http::Http;

/// Sends one request at a time.
pub(super) enum Client {
    Grpc(Box<Grpc>),
    Http(Http),
}

impl Client {
    /// Fails only if the configuration is wrong; an unreachable receiver is not an error.
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, String> {
        Ok(match config.protocol {
            OtlpProtocol::Grpc => Self::Grpc(Box::new(Grpc::new(&config.http)?)),
            OtlpProtocol::Http => Self::Http(Http::new(config)?),
        })
    }

    /// Sends an encoded export request of the signal.
    pub(super) fn send(&mut self, signal: Signal, request: &Bytes, limit: Duration) -> Result<Taken, Refusal> {
        match self {
            Self::Grpc(client) => client.send(signal, request, limit),
            Self::Http(client) => client.send(signal, request, limit),
        }
    }
}
