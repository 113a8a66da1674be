//! Counters of each interface: the kernel's, those of the socket that captures it, and those of the thread that reads
//! the socket.

use std::sync::Arc;

use pidflow_engine::decode::{DiscardCounters, FrameCount};

/// The kernel's counters of an interface, received and sent together. For loopback only what was received: the kernel
/// counts each packet there as sent and as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounts {
    /// Packets received and sent.
    pub packets: u64,
    /// Their bytes as the driver counts them. For loopback the link-layer header is added, which the kernel does not
    /// count there.
    pub octets: u64,
    /// Errors of receiving and sending.
    pub errors: u64,
    /// Packets that the interface or its driver dropped, on the way in or out.
    pub dropped: u64,
}

impl LinkCounts {
    /// The increase since an earlier reading. A counter that is smaller now restarted at zero.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        const fn grown(now: u64, before: u64) -> u64 {
            if now < before { now } else { now - before }
        }
        Self {
            packets: grown(self.packets, before.packets),
            octets: grown(self.octets, before.octets),
            errors: grown(self.errors, before.errors),
            dropped: grown(self.dropped, before.dropped),
        }
    }

    /// Adds all of `more`.
    pub const fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.octets += more.octets;
        self.errors += more.errors;
        self.dropped += more.dropped;
    }
}

/// Counters of the packet sockets of one interface since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketCounts {
    /// Packets that reached the socket and passed its filter, including those that it dropped.
    pub received: u64,
    /// Packets dropped because the socket's buffer was full.
    pub dropped: u64,
    /// Packets still in the socket's buffer when it was closed.
    pub unread: u64,
}

impl SocketCounts {
    /// Adds all of `more`.
    pub const fn add(&mut self, more: Self) {
        self.received += more.received;
        self.dropped += more.dropped;
        self.unread += more.unread;
    }
}

/// Counters of one interface, or of the socket that captures all (`any`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterfaceCounts {
    /// The kernel's index; 0: `any`.
    pub index: u32,
    /// Its name now, or the last one.
    pub name: Arc<str>,
    /// Whether it is captured now.
    pub is_captured: bool,
    /// Whether the socket's filter keeps packets from it.
    pub is_filtered: bool,
    /// What the kernel counted while the interface was captured; none: the kernel does not report it, or this is `any`.
    pub kernel: Option<LinkCounts>,
    /// The same at an earlier reading, taken so long before the socket's counters were read that all these packets had
    /// reached the socket by then; none: the socket's counters have not been read since.
    pub settled: Option<LinkCounts>,
    /// Counters of its sockets; none: it is captured through `any`.
    pub socket: Option<SocketCounts>,
}

/// Counters of one interface since the packet thread's last batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchCounts {
    /// Number of the interface, as in packets.
    pub interface: u32,
    /// Frames read, whether or not they are counted in a flow.
    pub captured: FrameCount,
    /// Those of them that are longer than [`Self::ORDINARY_FRAME`].
    pub long_frames: u64,
    /// Those of them that were discarded, by reason, and so are not in the batch.
    pub discards: DiscardCounters,
    /// Those of them that were second copies of loopback packets, also not in the batch.
    pub loopback_copies: FrameCount,
    /// Those of them that were not selected by sampling, also not in the batch.
    pub sampled_out: FrameCount,
}

impl BatchCounts {
    /// Bytes of the longest Ethernet frame with an MTU of 1500 and two VLAN tags. Longer ones were merged from several
    /// (GRO, LRO), will be split by the network card (TSO), or are jumbo frames.
    pub const ORDINARY_FRAME: u32 = 1522;

    /// Counts a frame.
    #[inline]
    pub fn see(&mut self, frame_octets: u32) {
        self.captured.count(frame_octets);
        self.long_frames += u64::from(frame_octets > Self::ORDINARY_FRAME);
    }

    /// Adds all of `more` but its interface.
    pub fn add(&mut self, more: &Self) {
        self.captured += more.captured;
        self.long_frames += more.long_frames;
        self.discards.add(&more.discards);
        self.loopback_copies += more.loopback_copies;
        self.sampled_out += more.sampled_out;
    }

    /// Those of the frames that are packets of the batch.
    #[must_use]
    pub fn in_packets(&self) -> FrameCount {
        let left_out = [self.discards.total(), self.loopback_copies, self.sampled_out];
        let packets: u64 = left_out.iter().map(|n| n.packets).sum();
        let frame_octets: u64 = left_out.iter().map(|n| n.frame_octets).sum();
        FrameCount {
            packets: self.captured.packets.saturating_sub(packets),
            frame_octets: self.captured.frame_octets.saturating_sub(frame_octets),
        }
    }
}
