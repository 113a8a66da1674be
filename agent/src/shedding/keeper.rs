//! Keeps the agent within its budget: reads what it uses, and tells all threads and the log what is left out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Controller, Level, Limits, Meter, Reading, ShedCounts, Shedding};
use crate::figures::bytes;

/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long after its decision a sampling rate applies, nanoseconds: until then every packet thread has seen it.
const NOTICE_NS: u64 = 300_000_000;

/// Keeps the agent within its budget.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shedding>,
    limits: Limits,
    controller: Controller,
    meter: Meter,
    looked: Instant,
}

impl Keeper {
    /// Within these limits; `shared` tells the threads.
    pub(crate) fn new(limits: Limits, shared: Arc<Shedding>) -> Self {
        let (controller, now) = (Controller::new(limits), Instant::now());
        let mut meter = Meter::open();
        meter.read(now);
        Self { shared, limits, controller, meter, looked: now }
    }

    /// To be called often. `now_ns` is the engine's time, and `wall_ahead_ns` how far the wall clock is ahead of it. Returns a new sampling
    /// rate, and the engine's time from which on it applies.
    pub(crate) fn look(&mut self, now: Instant, now_ns: u64, wall_ahead_ns: i64) -> Option<(u32, u64)> {
        if now.saturating_duration_since(self.looked) < INTERVAL {
            return None;
        }
        self.looked = now;
        let reading = self.meter.read(now);
        self.shared.tick();
        let (before, level) = (self.shared.level(), self.controller.take(reading, now)?);
        self.say(reading, before, level);
        let from_ns = now_ns.saturating_add(NOTICE_NS);
        self.shared.set(level, from_ns.saturating_add_signed(wall_ahead_ns));
        (level.sampling_rate() != before.sampling_rate()).then_some((level.sampling_rate(), from_ns))
    }

    fn say(&self, reading: Reading, before: Level, level: Level) {
        let used = self.used(reading);
        match level {
            Level::NONE => tracing::info!("within the budget again ({used}): nothing is left out any more"),
            _ if before == Level::NONE => {
                tracing::warn!(
                    "over the budget ({used}): left out: {}; remedy: --cpu-budget, --memory-budget",
                    level.describe()
                );
            }
            _ => tracing::info!("budget ({used}): left out: {}", level.describe()),
        }
    }

    /// What is used of the budget, for people.
    fn used(&self, reading: Reading) -> String {
        let cpu = self.limits.cpu.zip(reading.cpu);
        let cpu = cpu.map(|(limit, used)| format!("CPU {:.0} % of {:.0} %", used * 100.0, limit * 100.0));
        let memory = reading.memory.map(|used| format!("memory {} of {}", bytes(used), bytes(self.limits.memory)));
        cpu.into_iter().chain(memory).collect::<Vec<_>>().join(", ")
    }

    /// What has been left out up to now.
    pub(crate) fn counts(&self) -> ShedCounts {
        self.shared.counts()
    }
}
