//! Packet sources: capture files and network interfaces, both giving batches of decoded packets.

mod counters;
mod error;
mod file;
mod filter;
mod live;

use std::sync::Arc;

pub(crate) use counters::CaptureCounters;
pub(crate) use error::CaptureError;
pub(crate) use file::{CaptureFiles, FileOptions};
pub(crate) use filter::Filter;
pub(crate) use live::{Interfaces, LiveCapture, LiveOptions, PacketBatch, SeenUntil};

/// Most packets in one batch.
const BATCH: usize = 1024;

/// What a packet's interface number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// As in `Packet::interface`; to be given to `FlowTable::set_interface`.
    pub(crate) number: u32,
    /// The kernel's index, 0: from a file.
    pub(crate) index: u32,
    /// Its name, or the capture file.
    pub(crate) name: Arc<str>,
}
