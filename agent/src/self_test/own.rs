//! The agent's own process id in facts and records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use pidflow_schema::{FlowRecord, ProcessEnd};

/// The process id is shared, because the self-test may find it out later.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnProcess(Arc<AtomicU32>);

impl OwnProcess {
    /// Creates it with this process id; none: not known yet, because the agent runs in a PID namespace of its own.
    pub(crate) fn new(pid: Option<u32>) -> Self {
        Self(Arc::new(pid.unwrap_or_default().into()))
    }

    /// The process id; none: not known.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.0.load(Relaxed)).filter(|pid| *pid != 0)
    }

    pub(super) fn learn(&self, pid: u32) {
        let _ = self.0.compare_exchange(0, pid, Relaxed, Relaxed);
    }

    /// Whether the agent is at an end of the flow.
    pub(crate) fn is_in(&self, record: &FlowRecord) -> bool {
        let Some(own) = self.pid() else { return false };
        let is_own = |end: &ProcessEnd| end.process.as_ref().is_some_and(|p| p.pid == own);
        is_own(&record.source) || is_own(&record.destination)
    }
}
