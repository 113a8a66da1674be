//! What is counted of each interface: by the kernel, by the socket that captures it, and by the thread that reads the socket.

use std::sync::Arc;

use pidflow_engine::decode::{DiscardCounters, FrameCount};

/// The kernel's own counters of an interface, received and sent together. Of loopback what it received: it counts each packet
/// once as sent and once as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounts {
    /// Packets received and sent.
    pub packets: u64,
    /// Their bytes as the driver counts them; of loopback with the link-layer header, which the kernel leaves out there.
    pub octets: u64,
    /// Errors of receiving and sending.
    pub errors: u64,
    /// Packets that the interface or its driver dropped, on the way in or out.
    pub dropped: u64,
}

impl LinkCounts {
    /// Since an earlier reading; a counter that is smaller now began again at zero.
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

/// What the packet sockets of one interface did since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketCounts {
    /// Packets that came to the socket and passed its filter, those that it dropped included.
    pub received: u64,
    /// Packets dropped because the socket's buffer was full.
    pub dropped: u64,
    /// Packets that came before a socket was closed and were never read from its buffer.
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

/// One interface, or all through one socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterfaceCounts {
    /// The kernel's index, 0: `any`.
    pub index: u32,
    /// Its name now, or the last one.
    pub name: Arc<str>,
    /// Whether it is captured now.
    pub is_captured: bool,
    /// Whether the socket's filter keeps packets from it.
    pub is_filtered: bool,
    /// What the kernel counted while it was captured; none: it does not say, or it is no interface but `any`.
    pub kernel: Option<LinkCounts>,
    /// The same at a reading long before the socket was asked, so that all of it must have come to the socket by then; none:
    /// the socket has not been asked since.
    pub settled: Option<LinkCounts>,
    /// Its sockets; none: it is captured through `any`.
    pub socket: Option<SocketCounts>,
}

/// What a thread counted of one interface since its last batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchCounts {
    /// Number of the interface, as in packets.
    pub interface: u32,
    /// Frames read, counted in a flow or not.
    pub captured: FrameCount,
    /// Of them longer than [`Self::ORDINARY_FRAME`].
    pub long_frames: u64,
    /// Of them in no packet of the batch, by reason.
    pub discards: DiscardCounters,
    /// Of them second sightings of a packet on loopback, in no packet of the batch either.
    pub loopback_copies: FrameCount,
}

impl BatchCounts {
    /// Bytes of the longest frame of an ordinary Ethernet, with two VLAN tags. Longer ones were merged of several (GRO, LRO),
    /// will be cut into several by the network card (TSO), or are jumbo frames.
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
    }

    /// Those that are packets of the batch.
    #[must_use]
    pub fn in_packets(&self) -> FrameCount {
        let (all, left_out, copies) = (self.captured, self.discards.total(), self.loopback_copies);
        FrameCount {
            packets: all.packets.saturating_sub(left_out.packets + copies.packets),
            frame_octets: all.frame_octets.saturating_sub(left_out.frame_octets + copies.frame_octets),
        }
    }
}
