//! Connection attempts that failed, until a flow explains them or none comes.

use std::collections::VecDeque;

use crate::fact::{ProcessId, Socket};

/// Kept at the most; with more the oldest go out as records at once.
const KEPT: usize = 65_536;

/// A failed attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedConnect {
    pub(super) since_ns: u64,
    pub(super) time_ns: u64,
    pub(super) errno: u16,
    pub(super) socket: Socket,
    pub(super) process: ProcessId,
}

/// In order of time.
#[derive(Debug, Default)]
pub(super) struct Failures {
    waiting: VecDeque<FailedConnect>,
}

impl Failures {
    /// An attempt that the process gave up itself (no errno) is no failure.
    pub(super) fn add(&mut self, failed: FailedConnect) {
        if failed.errno != 0 {
            self.waiting.push_back(failed);
        }
    }

    /// A flow carries the failure of this time.
    pub(super) fn explained(&mut self, time_ns: u64) {
        self.waiting.retain(|f| f.time_ns != time_ns);
    }

    pub(super) fn take_due(&mut self, before_ns: u64) -> Vec<FailedConnect> {
        let due = self.waiting.iter().take_while(|f| f.time_ns < before_ns).count();
        let over = self.waiting.len().saturating_sub(KEPT);
        self.waiting.drain(..due.max(over)).collect()
    }
}
