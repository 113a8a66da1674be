//! What the packets of one end look like.

use pidflow_schema::record::{PacketDirection, PacketGaps, SIZE_CLASSES, SIZE_LIMITS};

use crate::packet::Packet;

/// The packets of one end since the last record, and its first and last packet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Direction {
    /// When its latest packet came, in the packets' own time, valid if `has_time`.
    last_ns: u64,
    gaps: Gaps,
    sizes: [u32; SIZE_CLASSES],
    min_octets: u32,
    max_octets: u32,
    min_ttl: u8,
    max_ttl: u8,
    /// Type of service or traffic class of its first packet in the flow.
    class_of_service: u8,
    /// ECN codepoints seen, one bit each; 0: no packet since the last record.
    ecn_seen: u8,
    has_begun: bool,
    has_time: bool,
    has_other_dscp: bool,
}

impl Direction {
    /// Measures a packet.
    pub(super) fn see(&mut self, packet: &Packet) {
        if self.has_time {
            self.gaps.add(packet.time_ns.saturating_sub(self.last_ns));
        }
        (self.last_ns, self.has_time) = (packet.time_ns.max(self.last_ns), true);
        if !self.has_begun {
            (self.has_begun, self.class_of_service) = (true, packet.tos);
        }
        if self.ecn_seen == 0 {
            (self.min_octets, self.min_ttl) = (u32::MAX, u8::MAX);
        }
        let class = SIZE_LIMITS.iter().position(|limit| packet.octets <= *limit).unwrap_or(SIZE_LIMITS.len());
        if let Some(packets) = self.sizes.get_mut(class) {
            *packets = packets.saturating_add(1);
        }
        self.min_octets = self.min_octets.min(packet.octets);
        self.max_octets = self.max_octets.max(packet.octets);
        self.min_ttl = self.min_ttl.min(packet.ttl);
        self.max_ttl = self.max_ttl.max(packet.ttl);
        self.has_other_dscp |= (packet.tos ^ self.class_of_service) >> 2 != 0;
        self.ecn_seen |= 1 << (packet.tos & 3);
    }

    /// The figures since the last record; none: there was no packet. A new record begins.
    pub(super) fn take(&mut self) -> Option<PacketDirection> {
        let next = Self {
            last_ns: self.last_ns,
            has_time: self.has_time,
            class_of_service: self.class_of_service,
            has_begun: self.has_begun,
            ..Self::default()
        };
        let taken = std::mem::replace(self, next);
        (taken.ecn_seen != 0).then(|| PacketDirection {
            sizes: taken.sizes,
            min_octets: taken.min_octets,
            max_octets: taken.max_octets,
            gaps: taken.gaps.figures(),
            min_ttl: taken.min_ttl,
            max_ttl: taken.max_ttl,
            class_of_service: taken.class_of_service,
            has_other_dscp: taken.has_other_dscp,
            ecn_seen: taken.ecn_seen,
        })
    }

    /// The time to the next packet is not known.
    pub(super) const fn forget_time(&mut self) {
        (self.last_ns, self.has_time) = (0, false);
    }
}

/// The times from each packet to the next.
#[derive(Debug, Clone, Copy, Default)]
struct Gaps {
    sum_ns: u64,
    /// Sum of the squared differences from the mean, square microseconds (Welford's algorithm, which loses no precision where the
    /// mean is large).
    squares: f64,
    /// Whole microseconds; a longer time counts as the greatest, 71 minutes.
    min_us: u32,
    max_us: u32,
    number: u32,
}

impl Gaps {
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more precision than 53 bits")]
    fn add(&mut self, gap_ns: u64) {
        let us = u32::try_from(gap_ns / 1000).unwrap_or(u32::MAX);
        self.min_us = if self.number == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        let before = self.mean_us();
        self.sum_ns = self.sum_ns.saturating_add(gap_ns);
        self.number = self.number.saturating_add(1);
        let gap_us = gap_ns as f64 / 1000.0;
        self.squares += (gap_us - before) * (gap_us - self.mean_us());
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more precision than 53 bits")]
    fn mean_us(&self) -> f64 {
        if self.number == 0 { 0.0 } else { self.sum_ns as f64 / f64::from(self.number) / 1000.0 }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative; whole microseconds are wanted"
    )]
    fn figures(&self) -> Option<PacketGaps> {
        let mean_us = self.sum_ns.checked_div(u64::from(self.number))? / 1000;
        let deviation_us = (self.squares.max(0.0) / f64::from(self.number)).sqrt() as u64;
        Some(PacketGaps { min_us: self.min_us.into(), max_us: self.max_us.into(), mean_us, deviation_us })
    }
}
