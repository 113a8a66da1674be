//! A message of any protocol over TCP.

use pidflow_schema::record::{ApplicationProtocol as Kind, Http};

use super::dns::DnsMessage;
use super::reading::Reading;
use super::service::{self, ServiceMessage};
use super::tls::{ClientHello, Follows, Hello, ServerHello};
use super::{dns, http, http2, tls};

/// What the first bytes of a message say.
#[derive(Debug)]
pub(super) enum Message {
    ClientHello(ClientHello),
    ServerHello(ServerHello),
    Request(Http),
    /// The status code of a response of HTTP.
    Response(u16),
    SshBanner,
    Dns(DnsMessage),
    Service(ServiceMessage),
}

impl Message {
    /// Whether more belongs to it that may follow.
    pub(super) fn awaits_more(&self) -> bool {
        matches!(self, Self::ServerHello(hello) if hello.certificate == Follows::Pending)
    }
}

/// Reads the message at the start of a TCP stream or of a segment. With `known`, the protocol of the connection is known.
pub(super) fn read(bytes: &[u8], known: Option<Kind>) -> Reading<Message> {
    match service::read(bytes, known) {
        Some(message) => Reading::Found(Message::Service(message)),
        None => read_other(bytes),
    }
}

fn read_other(bytes: &[u8]) -> Reading<Message> {
    match bytes {
        [21 | 22, 3, ..] => tls::read(tls::behind_warning(bytes).unwrap_or(bytes)).map(|hello| match hello {
            Hello::Client(hello) => Message::ClientHello(hello),
            Hello::Server(hello) => Message::ServerHello(hello),
        }),
        [b'H', b'T', b'T', b'P', b'/', ..] => http::status(bytes).map(Message::Response),
        [b'S', b'S', b'H', b'-', ..] => Reading::of(ssh_banner(bytes)),
        [b'P', b'R', b'I', b' ', ..] => http2::request(bytes).map(Message::Request),
        [0, _, _, 4, 0, 0, 0, 0, 0, ..] => http2::status(bytes).map(Message::Response),
        [b'A'..=b'Z', b'A'..=b'Z' | b'-', ..] => http::request(bytes).map(Message::Request),
        [_, _, message @ ..] => Reading::of(dns::read(message, false)).map(Message::Dns),
        _ => Reading::Other,
    }
}

/// RFC 4253 section 4.2: `SSH-`, the version of the protocol, `-`, the software, and a line end.
fn ssh_banner(bytes: &[u8]) -> Option<Message> {
    let end = bytes.iter().take(255).position(|byte| *byte == b'\n')?;
    let line = bytes.get(..end)?;
    let is_text = line.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\r'));
    let is_known =
        [&b"SSH-2.0-"[..], b"SSH-1.99-", b"SSH-1.5-", b"SSH-1.3-"].iter().any(|known| line.starts_with(known));
    (is_text && is_known).then_some(Message::SshBanner)
}
