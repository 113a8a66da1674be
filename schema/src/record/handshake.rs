//! The time in which a TCP connection was established.

use serde::{Deserialize, Serialize};

/// How long it took to establish a TCP connection (RFC 9293 section 3.5), as seen at the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// From the client's first SYN to the server's SYN with ACK, microseconds.
    pub server_us: u32,
    /// From there to the client's ACK, microseconds.
    pub client_us: u32,
}

impl Handshake {
    /// From the first SYN to the end of the handshake, microseconds.
    #[must_use]
    pub const fn total_us(&self) -> u32 {
        self.server_us.saturating_add(self.client_us)
    }
}
