//! Measures how long a server takes to answer.

use pidflow_schema::record::ApplicationLatency;

use super::sequence::passed;

/// The exchanges since the last record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exchanges {
    latency: ApplicationLatency,
    asked_us: u32,
    is_asked: bool,
}

impl Exchanges {
    /// The client sent data for the first time.
    pub(super) const fn asks(&mut self, now_us: u32) {
        (self.asked_us, self.is_asked) = (now_us, true);
    }

    /// The server sent data for the first time.
    pub(super) fn answers(&mut self, now_us: u32) {
        if !std::mem::take(&mut self.is_asked) {
            return;
        }
        let us = passed(self.asked_us, now_us);
        let ApplicationLatency { first_us, max_us, total_us, exchanges } = &mut self.latency;
        if *exchanges == 0 {
            *first_us = us;
        }
        *max_us = (*max_us).max(us);
        *total_us += u64::from(us);
        *exchanges = exchanges.saturating_add(1);
    }

    /// The clock was set.
    pub(super) const fn forget_times(&mut self) {
        self.is_asked = false;
    }

    /// The exchanges since the last call; none: there were none.
    pub(super) fn take(&mut self) -> Option<ApplicationLatency> {
        Some(std::mem::take(&mut self.latency)).filter(|latency| latency.exchanges > 0)
    }
}
