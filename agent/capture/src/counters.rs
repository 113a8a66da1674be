//! Counters of the packet sources: frames read, left out and dropped.

use pidflow_engine::decode::{Discard, DiscardCounters, FrameCount};

use super::InterfaceCounts;

/// Counters of the frames of one or several sources. `packets` is everything that was seen:
/// what is in flows, plus `discards`, `filtered`, `loopback_copies` and `sampled_out`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptureCounters {
    /// Frames read, whether or not they are counted in a flow.
    pub packets: u64,
    /// Their bytes on the wire.
    pub frame_octets: u64,
    /// Frames that belong to no flow, by reason.
    pub discards: DiscardCounters,
    /// Frames of a file that the filter did not pass. Live, the kernel filters, and nothing is counted.
    pub filtered: FrameCount,
    /// Second copies of packets on the loopback interface, where the kernel shows each as sent and as received.
    pub loopback_copies: FrameCount,
    /// Packets that were not selected while only one in several was counted, to stay within the agent's budget.
    pub sampled_out: FrameCount,
    /// Packets that the kernel dropped because its buffer was full.
    pub kernel_drops: u64,
    /// Packets that the network card or its driver dropped.
    pub interface_drops: u64,
    /// Changes of interfaces during the capture.
    pub interfaces: InterfaceChanges,
    /// Counters of each interface; empty for files.
    pub by_interface: Vec<InterfaceCounts>,
    /// Capture files that could not be opened, could not be read to the end, or in which blocks were skipped.
    pub damaged_files: u64,
    /// Blocks of capture files that were left out because they are malformed.
    pub bad_blocks: u64,
}

/// State and changes of the interfaces that are captured or should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterfaceChanges {
    /// Interfaces that appeared, or reappeared.
    pub appeared: u64,
    /// Interfaces that disappeared.
    pub disappeared: u64,
    /// Interfaces that got another name.
    pub renamed: u64,
    /// Number of interfaces captured now. The pseudo-interface `any` counts as one.
    pub captured: u64,
    /// Names of interfaces that should be captured but have disappeared or cannot be opened.
    pub missing: Vec<String>,
}

impl InterfaceChanges {
    fn add(&mut self, other: &Self) {
        self.appeared += other.appeared;
        self.disappeared += other.disappeared;
        self.renamed += other.renamed;
        self.captured += other.captured;
        self.missing.extend_from_slice(&other.missing);
    }
}

impl CaptureCounters {
    /// Counts a frame.
    pub fn see(&mut self, frame_octets: u32) {
        self.packets += 1;
        self.frame_octets += u64::from(frame_octets);
    }

    /// Counts a frame that belongs to no flow.
    pub fn discard(&mut self, reason: Discard, frame_octets: u32) {
        self.discards.count(reason, frame_octets);
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.frame_octets += other.frame_octets;
        self.discards.add(&other.discards);
        self.filtered += other.filtered;
        self.loopback_copies += other.loopback_copies;
        self.sampled_out += other.sampled_out;
        self.kernel_drops += other.kernel_drops;
        self.interface_drops += other.interface_drops;
        self.interfaces.add(&other.interfaces);
        self.by_interface.extend_from_slice(&other.by_interface);
        self.damaged_files += other.damaged_files;
        self.bad_blocks += other.bad_blocks;
    }
}
