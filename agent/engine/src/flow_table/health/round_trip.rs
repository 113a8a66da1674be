//! Measures the time from a packet to its acknowledgement.

use super::sequence::{ahead, passed};

/// The round trips of what one end sends. One packet at a time is measured.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip {
    /// The sequence number after the packet that is measured, valid if `is_waiting`.
    waits_for: u32,
    since_us: u32,
    /// The least one since the last record; 0: none.
    min_us: u32,
    smoothed_us: u32,
    is_waiting: bool,
}

impl RoundTrip {
    /// A packet was sent whose last byte has the sequence number before `end`.
    pub(super) const fn sent(&mut self, end: u32, now_us: u32) {
        if !self.is_waiting {
            (self.waits_for, self.since_us, self.is_waiting) = (end, now_us, true);
        }
    }

    /// The other end acknowledged everything before `number`.
    pub(super) fn acknowledged(&mut self, number: u32, now_us: u32) {
        if !self.is_waiting || ahead(number, self.waits_for) < 0 {
            return;
        }
        self.is_waiting = false;
        let sample = passed(self.since_us, now_us).max(1);
        self.min_us = if self.min_us == 0 { sample } else { self.min_us.min(sample) };
        self.smoothed_us = match self.smoothed_us {
            0 => sample,
            // RFC 6298 section 2.3, with alpha 1/8.
            smoothed => smoothed - smoothed / 8 + sample / 8,
        };
    }

    /// Which packet will be acknowledged is not certain any more, because data was sent again (RFC 6298 section 3) or is missing.
    pub(super) const fn cancel(&mut self) {
        self.is_waiting = false;
    }

    /// The least one since the last record, microseconds.
    pub(super) fn min_us(&self) -> Option<u32> {
        Some(self.min_us).filter(|us| *us > 0)
    }

    /// The smoothed one, microseconds.
    pub(super) fn smoothed_us(&self) -> Option<u32> {
        Some(self.smoothed_us).filter(|us| *us > 0)
    }

    pub(super) const fn begin_record(&mut self) {
        self.min_us = 0;
    }
}
