//! Corrects impossible steps of the kernel's total of I/O wait.
//!
//! If delay accounting is switched on while a task waits for a disk, the kernel assumes that the wait began at zero of
//! its clock and adds the host's whole uptime (`kernel/delayacct.c`, `delayacct_end`).

use pidflow_schema::abi;

use crate::fact::Sample;

/// For a process with more threads, /proc provides their number.
const MAX_SUMMED_THREADS: u64 = abi::MAX_SUMMED_THREADS as u64;
/// Upper bound of the difference between clocks and ticks.
const CLOCK_TOLERANCE_NS: u64 = 100_000_000;

/// I/O wait of one process.
#[derive(Debug)]
pub(super) struct Iowait {
    /// Time and total of the latest sample that had one, nanoseconds.
    last: (u64, u64),
    threads: u64,
    /// The excess in the total, nanoseconds.
    excess_ns: u64,
}

impl Iowait {
    /// I/O wait of a process that starts at `start_ns`.
    pub(super) const fn since(start_ns: u64) -> Self {
        Self { last: (start_ns, 0), threads: MAX_SUMMED_THREADS, excess_ns: 0 }
    }

    /// The sample's total without steps greater than all threads can have waited since the previous sample.
    pub(super) fn plausible(&mut self, sample: &Sample) -> Option<u64> {
        if let Some(threads) = sample.threads {
            self.threads = u64::from(threads).max(MAX_SUMMED_THREADS);
        }
        let total = sample.iowait_ns?;
        let (time_ns, before) = self.last;
        let elapsed_ns = sample.time_ns.saturating_sub(time_ns);
        let grown = total.saturating_sub(before);
        if grown > elapsed_ns.saturating_mul(self.threads).saturating_add(CLOCK_TOLERANCE_NS) {
            self.excess_ns += grown;
        }
        if sample.time_ns >= time_ns {
            self.last = (sample.time_ns, total);
        }
        // A smaller value was reported late, or the thread whose value was too large has ended.
        Some(total.checked_sub(self.excess_ns).unwrap_or(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(at: u64, iowait_ns: u64, threads: Option<u32>) -> Sample {
        Sample { time_ns: at, iowait_ns: Some(iowait_ns), threads, ..Sample::default() }
    }

    #[test]
    fn the_uptime_is_no_wait() {
        let mut iowait = Iowait::since(100 * SECOND);
        let mut total = |at, ns| iowait.plausible(&sample(at * SECOND, ns, Some(1))).unwrap();
        assert_eq!(total(101, SECOND / 2), SECOND / 2);
        assert_eq!(total(102, SECOND / 2 + 5600 * SECOND), SECOND / 2);
        assert_eq!(total(103, SECOND + 5600 * SECOND), SECOND);
        assert_eq!(total(101, SECOND / 2), SECOND / 2, "told late");
    }

    #[test]
    fn a_thousand_threads_may_wait_a_thousand_seconds_in_one() {
        let mut iowait = Iowait::since(0);
        assert_eq!(iowait.plausible(&sample(SECOND, 900 * SECOND, Some(1000))), Some(900 * SECOND));
        assert_eq!(iowait.plausible(&Sample { time_ns: 2 * SECOND, ..Sample::default() }), None);
        assert_eq!(iowait.plausible(&sample(3 * SECOND, 2500 * SECOND, None)), Some(2500 * SECOND));
    }
}
