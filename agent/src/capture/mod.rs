//! Packet sources: capture files and network interfaces, both giving batches of decoded packets.

mod counters;
mod error;
mod file;
mod filter;
mod interface_counts;
mod live;

use std::sync::Arc;

pub use counters::{CaptureCounters, InterfaceChanges};
pub use error::CaptureError;
pub use file::{CaptureFiles, FileOptions, Interrupt, Opener};
pub use filter::Filter;
pub use interface_counts::{BatchCounts, InterfaceCounts, LinkCounts, SocketCounts};
pub(crate) use live::ANY;
pub use live::{Interfaces, LiveCapture, LiveOptions, PacketBatch, SeenUntil};

/// The greatest number of packets in one batch.
const BATCH: usize = 1024;

/// What a packet's interface number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As in `Packet::interface`; to be given to `FlowTable::set_interface`.
    pub number: u32,
    /// The kernel's index, 0: from a file.
    pub index: u32,
    /// Its name, or the capture file.
    pub name: Arc<str>,
}
