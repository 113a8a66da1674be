//! The host itself: processors, memory, pressure, disks, interfaces, file systems. The thread `host` reads them. Other
//! threads use the latest figures, and records contain the host's load during their flow.

mod figures;
mod history;
mod now;
mod read;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use pidflow_schema::{FlowRecord, HostUsage};

use crate::clock::engine_ns;
use crate::privileges::Role;
use crate::threads;
pub(crate) use figures::{
    CpuTime, Disk, FileSystem, HostDescription, HostFigures, InterfaceCounters, Memory, Paging, Pressure, PressureStall,
};
use history::History;
pub(crate) use now::HostNow;
use now::LastTwo;
use read::Reader;

/// Interval between readings: short compared with flows, long compared with the cost of a reading (about 0.2 ms).
const INTERVAL: Duration = Duration::from_secs(1);

/// The latest figures, and the earlier ones that records need.
#[derive(Debug, Default)]
struct State {
    latest: Arc<HostFigures>,
    /// The previous reading, and the times of both; none: there is at most one.
    before: Option<(Arc<HostFigures>, Instant)>,
    latest_at: Option<Instant>,
    history: History,
}

/// The state of the thread `host`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host(Arc<Mutex<State>>);

impl Host {
    /// Reads the figures once, then in a separate thread as long as they are used elsewhere.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start() -> Result<Self> {
        let (host, mut reader) = (Self::default(), Reader::new());
        host.take(reader.read());
        let state = Arc::downgrade(&host.0);
        let run = move || {
            loop {
                thread::sleep(INTERVAL);
                let Some(state) = state.upgrade() else { return Ok(()) };
                Self(state).take(reader.read());
            }
        };
        threads::spawn_as(Role::Host, "host", run)?;
        Ok(host)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, figures: HostFigures) {
        let mut state = self.state();
        state.history.push(engine_ns(), &figures.cpu);
        let before = std::mem::replace(&mut state.latest, Arc::new(figures));
        state.before = state.latest_at.replace(Instant::now()).map(|at| (before, at));
    }

    /// The figures as of the last reading.
    pub(crate) fn latest(&self) -> Arc<HostFigures> {
        Arc::clone(&self.state().latest)
    }

    /// The host between the last two readings; none: there are fewer than two.
    pub(crate) fn now(&self) -> Option<HostNow> {
        let state = self.state();
        let ((before, before_at), latest_at) = (state.before.as_ref()?, state.latest_at?);
        LastTwo { before: (before, *before_at), latest: (&state.latest, latest_at), history: &state.history }.now()
    }

    /// Writes the host's load during the flow into a record. The record's times must be the engine's.
    pub(crate) fn describe(&self, record: &mut FlowRecord) {
        record.host_usage = self.usage(record.flow.first_ns, record.flow.last_ns);
    }

    fn usage(&self, first_ns: u64, last_ns: u64) -> Option<HostUsage> {
        self.state().history.usage(first_ns, last_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_figures_are_those_of_proc() {
        let figures = Reader::new().read();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total_kib: u64 = meminfo
            .lines()
            .find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(figures.memory.total, total_kib * 1024);
        assert!(
            figures.memory.used + figures.memory.free + figures.memory.cached + figures.memory.buffers
                <= figures.memory.total
        );
        assert_eq!(figures.about.cpus, thread::available_parallelism().map_or(1, usize::from).max(figures.about.cpus));
        assert!(figures.cpu.total_ns() > 0 && figures.uptime_s > 0 && !figures.about.kernel.is_empty());
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!((figures.uptime_s as f64 - seconds).abs() < 2.0);
        assert!(figures.interfaces.iter().any(|i| i.name == "lo"));
    }

    #[test]
    fn a_busy_second_shows_in_a_record_of_that_time() {
        let host = Host::start().unwrap();
        let from_ns = engine_ns();
        let spinning = Instant::now();
        while spinning.elapsed() < Duration::from_millis(2200) {
            std::hint::black_box(0);
        }
        let usage = host.usage(from_ns, engine_ns()).unwrap();
        let cpus = host.latest().about.cpus as u32;
        // One processor of `cpus` was busy nearly all of the time.
        assert!(usage.cpu_load >= 8_000 / cpus && usage.cpu_load <= 10_000, "{usage:?} of {cpus}");
        let now = host.now().unwrap();
        assert!(now.cpu_load >= 80.0 / f64::from(cpus) && now.cpu_load + now.iowait <= 100.1, "{now:?}");
        assert_eq!((now.memory_total, now.load), (host.latest().memory.total, host.latest().load));
        assert_eq!(now.pressure.len(), host.latest().pressure.len());
        assert!(now.pressure.iter().all(|share| (0.0..=100.0).contains(share)), "{now:?}");
    }
}
