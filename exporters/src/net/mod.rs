//! Connections to receivers: TCP, TLS, HTTP.

mod dial;
mod http;
mod stream;
mod tls;

pub(crate) use dial::dial;
pub(crate) use http::{Answer, HttpClient, one_line, percent_encoded};
pub(crate) use stream::Stream;
pub(crate) use tls::TlsClient;
