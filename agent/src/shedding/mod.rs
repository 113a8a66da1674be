//! What the agent leaves out when it needs more CPU or memory than it may use (`--cpu-budget`, `--memory-budget`).
//!
//! Once a second the [`Keeper`] reads what the agent uses ([`Meter`]), and the [`Controller`] decides on a [`Level`]. Each level leaves
//! out what the one before does, and one thing more: names, then the usage of processes, then packets, of which one in 2, 4, 8 … 128
//! is counted. The threads concerned read the level from [`Shedding`].

mod controller;
mod keeper;
mod level;
mod meter;
mod schedule;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) use controller::Limits;
use controller::{Controller, Reading};
pub(crate) use keeper::Keeper;
pub(crate) use level::Level;
use meter::Meter;
pub(crate) use schedule::{Dice, Schedule};

use crate::figures::grouped;

/// The current level, shared by all threads, and what has been left out so far.
#[derive(Debug, Default)]
pub(crate) struct Shedding {
    level: AtomicU8,
    schedule: Mutex<Schedule>,
    seconds: AtomicU64,
    starts: AtomicU64,
    highest: AtomicU8,
    samples: AtomicU64,
}

/// What was left out, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ShedCounts {
    /// The level now.
    pub(crate) level: Level,
    /// The highest level so far.
    pub(crate) highest: Level,
    /// Seconds in which anything was left out.
    pub(crate) seconds: u64,
    /// How often the agent began to leave things out.
    pub(crate) starts: u64,
    /// Samples of the usage of processes that were not taken.
    pub(crate) samples: u64,
}

impl ShedCounts {
    /// What is left out now, for `/readyz`; none: nothing.
    pub(crate) fn trouble(&self) -> Option<String> {
        (self.level != Level::NONE).then(|| format!("over the budget: left out: {}", self.level.describe()))
    }

    /// What was left out, for the summary at the end; none: nothing.
    pub(crate) fn said(&self) -> Option<String> {
        (self.starts > 0).then(|| {
            format!(
                "left out to stay within the budget: for {} s, at most {}; {} samples of processes",
                self.seconds,
                self.highest.describe(),
                grouped(self.samples)
            )
        })
    }
}

impl Shedding {
    /// The level now.
    pub(crate) fn level(&self) -> Level {
        Level::of(self.level.load(Ordering::Relaxed))
    }

    /// From when on packets are sampled, and how.
    pub(crate) fn schedule(&self) -> Schedule {
        *self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the level; packets with timestamps from `from_ns` on, wall time, are sampled as it says.
    pub(crate) fn set(&self, level: Level, from_ns: u64) {
        let before = self.level();
        self.level.store(level.number(), Ordering::Relaxed);
        self.highest.fetch_max(level.number(), Ordering::Relaxed);
        self.starts.fetch_add(u64::from(before == Level::NONE && level != Level::NONE), Ordering::Relaxed);
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner).change(level.sampling_rate(), from_ns);
    }

    /// Counts a second.
    pub(crate) fn tick(&self) {
        self.seconds.fetch_add(u64::from(self.level() != Level::NONE), Ordering::Relaxed);
    }

    /// Counts samples of processes that were not taken.
    pub(crate) fn left_out_samples(&self, count: usize) {
        self.samples.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The counts up to now.
    pub(crate) fn counts(&self) -> ShedCounts {
        let [seconds, starts, samples] =
            [&self.seconds, &self.starts, &self.samples].map(|n| n.load(Ordering::Relaxed));
        let highest = Level::of(self.highest.load(Ordering::Relaxed));
        ShedCounts { level: self.level(), highest, seconds, starts, samples }
    }
}
