//! The part of a message's header that its records depend on.

use crate::counters::Protocol;

const MILLISECOND_NS: u64 = 1_000_000;

/// When a message was sent, on the clocks of the exporter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// Its protocol.
    pub(crate) protocol: Protocol,
    /// When it was sent by the exporter's clock, nanoseconds since the epoch.
    pub(crate) export_ns: u64,
    /// The exporter's uptime at that moment, milliseconds; none: not in the header (IPFIX).
    pub(crate) uptime_ms: Option<u32>,
    /// When it arrived, nanoseconds since the epoch.
    pub(crate) now_ns: u64,
}

impl Header {
    /// Of a message that does not say when it was sent.
    pub(crate) const fn of_objects(protocol: Protocol, now_ns: u64) -> Self {
        Self { protocol, export_ns: now_ns, uptime_ms: None, now_ns }
    }

    /// The time of an uptime in milliseconds, which wraps after 49.7 days: the nearest one to the header's.
    pub(crate) fn time_of_uptime(&self, then_ms: u32) -> Option<u64> {
        let age_ms = i64::from(self.uptime_ms?.wrapping_sub(then_ms).cast_signed());
        Some(self.export_ns.saturating_add_signed(-age_ms * MILLISECOND_NS.cast_signed()))
    }

    /// Milliseconds as nanoseconds.
    pub(crate) const fn ms(ms: u64) -> u64 {
        ms.saturating_mul(MILLISECOND_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_wrap_and_may_be_after_the_header() {
        let at = |uptime_ms, then_ms| {
            let header = Header { protocol: Protocol::Netflow9, export_ns: 10_000_000_000, uptime_ms, now_ns: 0 };
            header.time_of_uptime(then_ms)
        };
        assert_eq!(at(Some(5_000), 4_000), Some(9_000_000_000));
        assert_eq!(at(Some(5_000), 5_001), Some(10_001_000_000));
        assert_eq!(at(Some(500), u32::MAX - 499), Some(9_000_000_000), "the uptime has wrapped since");
        assert_eq!(at(None, 1), None);
        assert_eq!(at(Some(0), 1 << 31), Some(10_000_000_000 + (1 << 31) * 1_000_000));
    }
}
