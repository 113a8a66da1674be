//! Usage of the processes of flows over time; each amount is reported once.

use std::sync::Arc;

use pidflow_schema::Process;

use super::{Entry, ProcessTable};
use crate::fact::{ProcessId, Sample};

/// If a process started longer than this before it was first seen, its usage before the first sample is not reported.
const FIRST_SEEN_TOLERANCE_NS: u64 = 1_000_000_000;

/// Usage of a process since the last report, and its current memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The process as described in its latest flow.
    pub process: Arc<Process>,
    /// CPU time, user and system, nanoseconds.
    pub cpu_ns: u64,
    /// Waiting for block I/O, nanoseconds; none: delay accounting is off.
    pub iowait_ns: Option<u64>,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Major page faults.
    pub major_faults: u64,
    /// Resident memory, bytes; none: unknown. For an ended process, the last known value.
    pub memory: Option<u64>,
    /// Peak resident memory, bytes.
    pub memory_peak: Option<u64>,
    /// Whether it has ended. It is not reported again unless another of its flows is joined.
    pub has_ended: bool,
}

/// The reporting state of a process.
#[derive(Debug, Default)]
pub(super) struct UsageReported {
    /// The process in its latest flow; none: it has had no flow, or none since its end was reported.
    process: Option<Arc<Process>>,
    /// The usage that was reported last.
    until: Option<Sample>,
}

impl ProcessTable {
    /// Notes that a flow of the process was joined: from now on its usage is reported.
    pub fn has_flow(&mut self, id: ProcessId, process: &Arc<Process>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.told.process = Some(Arc::clone(process));
        }
    }

    /// Reports the usage since the last call of every process that had a flow.
    pub fn report_usage(&mut self, mut tell: impl FnMut(&Usage)) {
        for entry in self.entries.values_mut() {
            if let Some(usage) = usage(entry) {
                tell(&usage);
            }
        }
    }
}

fn usage(entry: &mut Entry) -> Option<Usage> {
    let process = Arc::clone(entry.told.process.as_ref()?);
    let now = entry.samples.latest()?;
    let is_old = entry.known_ns.saturating_sub(entry.start_ns) > FIRST_SEEN_TOLERANCE_NS;
    let before = entry.told.until.or_else(|| entry.samples.first_real().filter(|_| is_old)).unwrap_or_default();
    let since = |f: fn(&Sample) -> Option<u64>| Some(f(&now)?.saturating_sub(f(&before).unwrap_or_default()));
    let usage = Usage {
        process,
        cpu_ns: since(|s| s.cpu_ns).unwrap_or_default(),
        iowait_ns: since(|s| s.iowait_ns),
        minor_faults: since(|s| s.minor_faults).unwrap_or_default(),
        major_faults: since(|s| s.major_faults).unwrap_or_default(),
        memory: now.rss,
        memory_peak: now.peak_rss,
        has_ended: entry.exited_ns.is_some(),
    };
    entry.told.until = Some(now);
    if usage.has_ended {
        entry.told.process = None;
    }
    Some(usage)
}
