//! Capture files as a source of packets, and what all packet sources have in common: counters, errors, interfaces and
//! filters.

mod counters;
mod error;
mod file;
mod filter;
mod interface;
mod interface_counts;

pub use counters::{CaptureCounters, InterfaceChanges};
pub use error::CaptureError;
pub use file::{CaptureFiles, FileOptions, Interrupt, Opener};
pub use filter::Filter;
pub use interface::{Interface, PeerNamespace};
pub use interface_counts::{BatchCounts, InterfaceCounts, LinkCounts, SocketCounts};

/// The greatest number of packets in one batch.
pub const MAX_BATCH_PACKETS: usize = 1024;
