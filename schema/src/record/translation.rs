//! Address translation (NAT) of a flow's packets on their way through the host.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The addresses and ports that a flow's packets have after translation. The flow itself has those before translation: the
/// client's end, and the end to which the client connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// Source address after translation; the same as before where only the destination was translated.
    pub source: IpAddr,
    /// Source port after translation.
    pub source_port: u16,
    /// Destination address after translation; the same as before where only the source was translated.
    pub destination: IpAddr,
    /// Destination port after translation.
    pub destination_port: u16,
    /// Whether the flow's source is the end whose packet began the translation. The socket of that end has the addresses before
    /// translation, the socket of the other end those after it.
    pub begun_by_source: bool,
}

impl Translation {
    /// Swaps source and destination.
    pub const fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        std::mem::swap(&mut self.source_port, &mut self.destination_port);
        self.begun_by_source = !self.begun_by_source;
    }
}

impl Default for Translation {
    /// Unspecified addresses and port 0, to be filled in.
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { source: nowhere, source_port: 0, destination: nowhere, destination_port: 0, begun_by_source: true }
    }
}
