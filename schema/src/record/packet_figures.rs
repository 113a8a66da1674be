//! Sizes, times, marks and hop limits of a flow's packets.

use serde::{Deserialize, Serialize};

/// Number of classes of packet sizes.
pub const SIZE_CLASSES: usize = 6;
/// The greatest size of a packet in each class but the last, bytes: nProbe's classes.
pub const SIZE_LIMITS: [u32; SIZE_CLASSES - 1] = [128, 256, 512, 1024, 1514];

/// The times between the packets of one direction, each from the latest packet so far to the next. A packet with an earlier time
/// than that counts as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PacketGaps {
    /// The shortest, whole microseconds.
    pub min_us: u64,
    /// The longest, whole microseconds.
    pub max_us: u64,
    /// The mean, whole microseconds.
    pub mean_us: u64,
    /// The standard deviation (of all of them, not of a sample), whole microseconds.
    pub deviation_us: u64,
}

/// What the packets of one direction of a record look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PacketDirection {
    /// Packets by their size from the IP header on: up to 128 bytes, 256, 512, 1024, 1514, and larger ones.
    pub sizes: [u32; SIZE_CLASSES],
    /// The smallest packet, bytes from the IP header on.
    pub min_octets: u32,
    /// The largest one.
    pub max_octets: u32,
    /// The times between packets, also from the last packet of the previous record; none: there was only one packet.
    pub gaps: Option<PacketGaps>,
    /// The least time to live (IPv4) or hop limit (IPv6).
    pub min_ttl: u8,
    /// The greatest one.
    pub max_ttl: u8,
    /// Type of service or traffic class of the direction's first packet in the flow.
    pub class_of_service: u8,
    /// Whether a packet of the record has another DSCP (RFC 2474) than that one.
    pub has_other_dscp: bool,
    /// The ECN codepoints seen (RFC 3168 section 5), one bit each: 1 not capable (00), 2 ECT(1) (01), 4 ECT(0) (10), 8 congestion
    /// experienced (11).
    pub ecn_seen: u8,
}

impl PacketDirection {
    /// The DSCP of the first packet (RFC 2474 section 3).
    #[must_use]
    pub const fn dscp(&self) -> u8 {
        self.class_of_service >> 2
    }

    /// Sets it; below 64.
    pub const fn set_dscp(&mut self, dscp: u8) {
        self.class_of_service = dscp << 2 | self.class_of_service & 3;
    }
}

/// What the packets of a record look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PacketFigures {
    /// From source to destination; none: there were no packets.
    pub forward: Option<PacketDirection>,
    /// From destination to source; none: there were no packets.
    pub reverse: Option<PacketDirection>,
}

impl PacketFigures {
    /// Packets of both directions in a class of [`PacketDirection::sizes`].
    #[must_use]
    pub fn packets_in_class(&self, class: usize) -> u64 {
        let both = [self.forward, self.reverse].into_iter().flatten();
        both.filter_map(|direction| direction.sizes.get(class).copied()).map(u64::from).sum()
    }

    /// Swaps the ends.
    pub const fn turn_round(&mut self) {
        std::mem::swap(&mut self.forward, &mut self.reverse);
    }
}
