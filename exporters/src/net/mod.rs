//! Connections to receivers: TCP, TLS, HTTP.

mod datagrams;
mod dial;
mod http;
mod lookup;
mod refusal;
mod resolver;
pub(crate) mod retry_after;
mod socket;
mod stream;
mod tls;
mod unix;

pub(crate) use datagrams::{DatagramTarget, Datagrams};
pub(crate) use dial::dial;
pub(crate) use http::{Answer, HttpClient, one_line, percent_encoded};
pub(crate) use lookup::Lookup;
pub(crate) use refusal::{Refusal, RefusalReason};
pub(crate) use stream::{PeerState, Stream, StreamTarget};
pub(crate) use tls::TlsClient;
#[cfg(feature = "otlp")]
pub(crate) use tls::takes_any;
