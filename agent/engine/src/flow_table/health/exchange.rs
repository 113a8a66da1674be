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
        self.latency.count(passed(self.asked_us, now_us));
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
