//! NATS: lines of text.

use pidflow_schema::record::ApplicationProtocol as Kind;

use super::{ServiceMessage, word};

/// What clients ask for after they have connected, in order.
const REQUESTS: &[&str] = &["HPUB", "PUB", "SUB", "UNSUB"];

/// Reads the line with which a server begins.
pub(super) fn read(data: &[u8]) -> Option<ServiceMessage> {
    let is_info = data.starts_with(b"INFO {\"")
        && (data.len() >= super::MAX_HEAD || data.ends_with(b"}\r\n") || data.ends_with(b"} \r\n"));
    is_info.then_some(ServiceMessage::of(Kind::Nats, None))
}

/// Reads what a client asks for, where the protocol is known.
pub(super) fn request(data: &[u8]) -> Option<ServiceMessage> {
    let end = data.iter().take(8).position(|byte| *byte == b' ')?;
    let request = word(REQUESTS, data.get(..end)?)?;
    Some(ServiceMessage::of(Kind::Nats, Some(request)))
}
