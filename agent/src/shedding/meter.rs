//! Reads what the agent uses.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::Reading;

/// Reads CPU time and memory of this process. The file is opened once, before the thread gives up its rights.
#[derive(Debug)]
pub(crate) struct Meter {
    statm: Option<File>,
    page_bytes: u64,
    last: Option<(u64, Instant)>,
}

impl Meter {
    /// Opens the file of the process's memory.
    pub(crate) fn open() -> Self {
        let statm = File::open("/proc/self/statm")
            .inspect_err(|e| tracing::warn!("the agent's own memory is not known: /proc/self/statm: {e}"));
        Self { statm: statm.ok(), page_bytes: procfs::page_size(), last: None }
    }

    /// What was used since the last call.
    pub(crate) fn read(&mut self, now: Instant) -> Reading {
        let used_ns = cpu_ns();
        let last = self.last.replace((used_ns, now));
        let share = |(before_ns, since): (u64, Instant)| {
            let passed_ns = now.saturating_duration_since(since).as_nanos() as f64;
            (passed_ns > 0.0).then(|| used_ns.saturating_sub(before_ns) as f64 / passed_ns)
        };
        Reading { cpu: last.and_then(share), memory: self.memory() }
    }

    /// Resident pages are the second number (proc_pid_statm(5)).
    fn memory(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let pages: u64 = std::str::from_utf8(text.get(..length)?).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * self.page_bytes)
    }
}

/// CPU time of all threads of this process, nanoseconds.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn own_memory_and_cpu_time_are_read() {
        let (mut meter, start) = (Meter::open(), Instant::now());
        assert_eq!(meter.read(start).cpu, None, "nothing to compare with");
        let until = start + Duration::from_millis(50);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let reading = meter.read(Instant::now());
        assert!(reading.cpu.is_some_and(|cpu| cpu > 0.0), "{reading:?}");
        assert!(reading.memory.is_some_and(|bytes| bytes > 1 << 20), "{reading:?}");
    }
}
