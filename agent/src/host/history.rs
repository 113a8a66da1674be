//! Processor time of the last minutes, for the load of the host during a flow.

use std::collections::VecDeque;

use pidflow_schema::HostUsage;

use super::CpuTime;

/// Number of readings kept, one per second: longer than flows usually last until their record. For a longer flow, the
/// load since the oldest reading is used.
const MAX_READINGS: usize = 600;

/// One reading.
#[derive(Debug, Clone, Copy)]
struct Reading {
    time_ns: u64,
    total_ns: u64,
    idle_ns: u64,
    iowait_ns: u64,
}

/// The latest readings, in order of time.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Reading>);

impl History {
    /// A reading at that time of the engine.
    pub(super) fn push(&mut self, time_ns: u64, cpu: &CpuTime) {
        if self.0.len() >= MAX_READINGS {
            self.0.pop_front();
        }
        self.0.push_back(Reading { time_ns, total_ns: cpu.total_ns(), idle_ns: cpu.idle_ns, iowait_ns: cpu.iowait_ns });
    }

    /// The load between the last two readings; none: there are fewer than two.
    pub(super) fn latest(&self) -> Option<HostUsage> {
        let newest = self.0.back()?;
        self.usage(newest.time_ns, newest.time_ns)
    }

    /// The load between the readings that enclose that time, otherwise between the nearest ones; none: there are fewer
    /// than two.
    pub(super) fn usage(&self, first_ns: u64, last_ns: u64) -> Option<HostUsage> {
        let newest = self.0.len().checked_sub(1)?;
        let after = self.0.partition_point(|r| r.time_ns < last_ns).clamp(1, newest.max(1));
        let before = self.0.partition_point(|r| r.time_ns <= first_ns).saturating_sub(1).min(after - 1);
        let (before, after) = (self.0.get(before)?, self.0.get(after)?);
        // The kernel's idle and iowait may decrease (proc_stat(5)).
        let grown = |f: fn(&Reading) -> u64| f(after).saturating_sub(f(before));
        let (total, idle, iowait) = (grown(|r| r.total_ns), grown(|r| r.idle_ns), grown(|r| r.iowait_ns));
        let busy = total.saturating_sub(idle).saturating_sub(iowait);
        Some(HostUsage { cpu_load: share(busy, total)?, iowait: share(iowait, total)? })
    }
}

/// Percent times 100.
fn share(part: u64, whole: u64) -> Option<u32> {
    u32::try_from(part.min(whole).saturating_mul(10_000).checked_div(whole)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// Two processors: in each second the first is busy in those that `busy` names, and the second waits for a disk.
    fn history(seconds: u64, busy: &[u64]) -> History {
        let (mut history, mut cpu) = (History::default(), CpuTime::default());
        for second in 0..=seconds {
            history.push(second * S, &cpu);
            cpu.iowait_ns += S;
            if busy.contains(&second) { cpu.user_ns += S } else { cpu.idle_ns += S }
        }
        history
    }

    fn load(h: &History, first_ns: u64, last_ns: u64) -> Option<(u32, u32)> {
        h.usage(first_ns, last_ns).map(|u| (u.cpu_load, u.iowait))
    }

    #[test]
    fn a_flow_has_the_load_of_the_readings_around_it() {
        let h = history(10, &[3, 4]);
        assert_eq!(load(&h, 3 * S, 5 * S), Some((5000, 5000)));
        assert_eq!(load(&h, 3 * S + 1, 3 * S + 2), Some((5000, 5000)), "a short one: that second");
        assert_eq!(load(&h, 0, 10 * S), Some((1000, 5000)));
        assert_eq!(load(&h, 6 * S, 8 * S), Some((0, 5000)));
    }

    #[test]
    fn what_is_older_or_newer_than_all_readings_has_the_nearest() {
        let h = history(10, &[0, 9]);
        assert_eq!(load(&h, 20 * S, 21 * S), Some((5000, 5000)), "the last second");
        assert_eq!(load(&history(1000, &[]), 0, S), Some((0, 5000)));
        assert_eq!(load(&history(0, &[]), 0, S), None);
        assert_eq!(load(&History::default(), 0, S), None);
        let latest = |h: &History| h.latest().map(|u| (u.cpu_load, u.iowait));
        assert_eq!(latest(&h), Some((5000, 5000)), "the ninth second was busy");
        assert_eq!((latest(&history(0, &[])), latest(&History::default())), (None, None));
    }
}
