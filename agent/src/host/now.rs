//! The host between its last two readings, for display.

use std::time::Instant;

use super::{History, HostFigures};

/// The host's figures in the live view.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HostNow {
    /// Share of the time of all processors in which they were busy, percent.
    pub(crate) cpu_load: f64,
    /// Share of the time of all processors in which they were idle while block I/O was in progress, percent.
    pub(crate) iowait: f64,
    /// Memory in use, bytes.
    pub(crate) memory_used: u64,
    /// All memory, bytes.
    pub(crate) memory_total: u64,
    /// Load average of 1, 5 and 15 minutes.
    pub(crate) load: [f64; 3],
    /// Share of the time in which some task waited for processors, memory and I/O, percent; empty: the kernel does not count it.
    pub(crate) pressure: Vec<f64>,
}

/// The last two readings.
#[derive(Debug)]
pub(super) struct LastTwo<'a> {
    pub(super) before: (&'a HostFigures, Instant),
    pub(super) latest: (&'a HostFigures, Instant),
    pub(super) history: &'a History,
}

impl LastTwo<'_> {
    /// None: there are fewer than two readings.
    pub(super) fn now(&self) -> Option<HostNow> {
        let (before, latest) = (self.before.0, self.latest.0);
        let usage = self.history.latest()?;
        let elapsed_us = self.latest.1.saturating_duration_since(self.before.1).as_micros().max(1) as f64;
        let pressure = latest.pressure.iter().filter_map(|stalled| {
            let earlier = before.pressure.iter().find(|other| other.resource == stalled.resource)?;
            let waited_us = stalled.some_us.saturating_sub(earlier.some_us) as f64;
            Some((100.0 * waited_us / elapsed_us).min(100.0))
        });
        Some(HostNow {
            cpu_load: f64::from(usage.cpu_load) / 100.0,
            iowait: f64::from(usage.iowait) / 100.0,
            memory_used: latest.memory.used,
            memory_total: latest.memory.total,
            load: latest.load,
            pressure: pressure.collect(),
        })
    }
}
