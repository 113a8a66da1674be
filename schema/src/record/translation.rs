//! Address translation (NAT) of a flow's packets on their way through the host.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The addresses and ports that a flow's packets have after translation. The flow's own are those before it: where the
/// client's packets came from, and what it asked for.
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
    /// The flow's source is the end whose packets began the translation. Its socket has the addresses before translation, that
    /// of the other end those after it.
    pub begun_by_source: bool,
}

impl Translation {
    /// Swaps the ends: the destination becomes the source.
    pub const fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        std::mem::swap(&mut self.source_port, &mut self.destination_port);
        self.begun_by_source = !self.begun_by_source;
    }
}

impl Default for Translation {
    /// To nowhere, to be filled in.
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { source: nowhere, source_port: 0, destination: nowhere, destination_port: 0, begun_by_source: true }
    }
}
