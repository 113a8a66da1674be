//! What the first payload bytes of flows show: application protocols, and the names that were asked for.
//!
//! The decoder picks payloads that may begin a message of a known protocol ([`picker`]), by their first bytes. The flow
//! table hands them to the flow's [`Watch`](watch::Watch), which reads the messages. A protocol is reported only if a whole
//! message of it was read, never because of a port. All state is bounded, and freed when the flow is understood.

mod certificate;
mod dns;
mod early;
mod exchanges;
mod http;
mod http2;
mod ja4;
mod message;
mod payloads;
mod picker;
mod piece;
mod quic;
mod reading;
mod recent;
mod request_line;
mod service;
mod signature;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod vpn;
mod watch;
mod watches;

pub use dns::NameAnswer;
pub use payloads::Payloads;
pub(crate) use picker::Picker;
pub(crate) use piece::Piece;
pub(crate) use watches::Watches;

/// The greatest size of a message that is read, bytes: the greatest record of TLS. Longer ones are not reported.
const MAX_MESSAGE: usize = 16_384;
