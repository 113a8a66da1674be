//! Decides how much is left out. It reads no clock and no counter, so that tests decide what it sees.

use std::time::{Duration, Instant};

use super::Level;

/// So many readings in a row above the budget are needed before anything is left out, so that a short burst changes nothing, and before
/// the sampling rate rises, so that the last one has had its effect.
const OVER_READINGS: u32 = 2;
/// From this share of the memory budget on, memory counts as above it: tables grow between two readings.
const FULL_MEMORY: f64 = 0.9;
/// Below this share of both budgets, the level may fall. What the lower level adds must fit between this and the budget.
const CALM_CPU: f64 = 0.7;
const CALM_MEMORY: f64 = 0.75;
/// Where packets are sampled, the lower level counts twice as many of them: the CPU time expected of it must be below this share.
const CALM_SAMPLING: f64 = 0.8;
/// How long the agent must be below these shares before the level falls.
const MIN_CALM: Duration = Duration::from_secs(3);
/// The same after levels that fell too early.
const MAX_CALM: Duration = Duration::from_secs(96);
/// If the level must rise again so soon after it fell, it fell too early.
const RELAPSE: Duration = Duration::from_secs(30);

/// What the agent may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Share of one core; none: any.
    pub(crate) cpu: Option<f64>,
    /// Resident memory, bytes.
    pub(crate) memory: u64,
}

/// What the agent used since the last reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    /// Share of one core; none: it cannot be read.
    pub(crate) cpu: Option<f64>,
    /// Resident memory now, bytes; none: it cannot be read.
    pub(crate) memory: Option<u64>,
}

/// How a reading compares with the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Over,
    Within,
    Calm,
}

/// Chooses the level.
#[derive(Debug)]
pub(crate) struct Controller {
    limits: Limits,
    level: Level,
    over: u32,
    calm_since: Option<Instant>,
    calm_needed: Duration,
    fell: Option<Instant>,
}

impl Controller {
    /// Nothing is left out yet.
    pub(crate) const fn new(limits: Limits) -> Self {
        let (level, calm_needed) = (Level::NONE, MIN_CALM);
        Self { limits, level, over: 0, calm_since: None, calm_needed, fell: None }
    }

    /// Takes a reading. Returns the new level if it changes.
    pub(crate) fn take(&mut self, reading: Reading, now: Instant) -> Option<Level> {
        let before = self.level;
        match self.load(reading) {
            Load::Over => {
                self.calm_since = None;
                self.over += 1;
                let is_between = self.level == Level::NAMES || self.level == Level::USAGE;
                if is_between || self.over >= OVER_READINGS {
                    self.rise(reading, now);
                }
            }
            Load::Within => (self.over, self.calm_since) = (0, None),
            Load::Calm => {
                self.over = 0;
                let since = *self.calm_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= self.calm_needed {
                    self.fall(reading, now);
                }
            }
        }
        (self.level != before).then_some(self.level)
    }

    fn load(&self, reading: Reading) -> Load {
        let cpu = self.cpu(reading);
        let memory = reading.memory.map_or(0.0, |bytes| bytes as f64 / self.limits.memory.max(1) as f64);
        if cpu > 1.0 || memory > FULL_MEMORY {
            Load::Over
        } else if self.is_calm(cpu, self.level.lower()) && memory < CALM_MEMORY {
            Load::Calm
        } else {
            Load::Within
        }
    }

    /// Share of the CPU budget that was used.
    fn cpu(&self, reading: Reading) -> f64 {
        self.limits.cpu.zip(reading.cpu).map_or(0.0, |(limit, used)| used / limit.max(f64::MIN_POSITIVE))
    }

    /// Whether `cpu`, a share of the budget, leaves room for a lower level.
    fn is_calm(&self, cpu: f64, lower: Level) -> bool {
        let doublings = self.level.doublings() - lower.doublings();
        let limit = if doublings > 0 { CALM_SAMPLING } else { CALM_CPU };
        cpu * f64::from(1_u32 << doublings) < limit
    }

    /// At several times the budget, several levels at once, as far as these are of sampling: each halves the packets.
    fn rise(&mut self, reading: Reading, now: Instant) {
        let excess = self.cpu(reading).log2().max(0.0) as u8;
        let is_sampling = self.level >= Level::USAGE;
        self.level = self.level.higher(if is_sampling { excess.max(1) } else { 1 });
        self.over = 0;
        if self.fell.is_some_and(|fell| now.saturating_duration_since(fell) < RELAPSE) {
            self.calm_needed = (self.calm_needed * 2).min(MAX_CALM);
        }
    }

    /// To the lowest level of sampling that is expected to fit, or one level.
    fn fall(&mut self, reading: Reading, now: Instant) {
        let cpu = self.cpu(reading);
        if self.fell.is_some_and(|fell| now.saturating_duration_since(fell) >= RELAPSE) {
            self.calm_needed = MIN_CALM;
        }
        let mut lower = self.level.lower();
        while lower.doublings() > 0 && self.is_calm(cpu, lower.lower()) {
            lower = lower.lower();
        }
        if self.level != Level::NONE {
            (self.level, self.fell) = (lower, Some(now));
        }
        self.calm_since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cpu: Some(0.5), memory: 100 << 20 };

    struct Bench {
        controller: Controller,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { controller: Controller::new(LIMITS), now: Instant::now() }
        }

        /// Readings of so many seconds; the level after each.
        fn run(&mut self, seconds: usize, cpu: f64, mebibytes: u64) -> Vec<u8> {
            let reading = Reading { cpu: Some(cpu), memory: Some(mebibytes << 20) };
            let mut second = || {
                self.now += Duration::from_secs(1);
                self.controller.take(reading, self.now);
                self.controller.level.number()
            };
            (0..seconds).map(|_| second()).collect()
        }
    }

    #[test]
    fn a_burst_changes_nothing_and_lasting_load_sheds_in_order() {
        let mut b = Bench::new();
        assert_eq!(b.run(1, 0.9, 10), [0]);
        assert_eq!(b.run(1, 0.4, 10), [0]);
        assert_eq!(b.run(8, 0.6, 10), [0, 1, 2, 3, 3, 4, 4, 5]);
        assert_eq!(b.run(3, 0.45, 10), [5, 5, 5], "within the budget, and the lower level would not be");
        assert_eq!(b.run(40, 0.9, 10).last(), Some(&Level::MAX.number()));
        assert_eq!(Level::MAX.sampling_rate(), 128);
    }

    #[test]
    fn at_several_times_the_budget_packets_are_sampled_more_at_once() {
        let mut b = Bench::new();
        assert_eq!(b.run(4, 2.5, 10), [0, 1, 2, 4]);
        assert_eq!(Level::of(4).sampling_rate(), 4);
    }

    #[test]
    fn it_recovers_by_itself_but_not_at_once() {
        let mut b = Bench::new();
        b.run(8, 0.9, 10);
        assert_eq!(b.controller.level.number(), 5);
        assert_eq!(b.run(4, 0.01, 10), [5, 5, 5, 2], "every packet is counted, as that is expected to fit");
        assert_eq!(b.run(6, 0.01, 10), [2, 2, 1, 1, 1, 0]);
        assert_eq!(b.run(60, 0.01, 10).last(), Some(&0));
    }

    #[test]
    fn sampling_ends_only_if_all_packets_are_expected_to_fit() {
        let mut b = Bench::new();
        b.run(6, 0.9, 10);
        assert_eq!(b.controller.level.sampling_rate(), 4);
        assert_eq!(b.run(20, 0.3, 10).last(), Some(&4), "the lower level would need 0.6");
        assert_eq!(b.run(4, 0.15, 10), [4, 4, 4, 3], "every packet would need 0.6");
    }

    #[test]
    fn after_falling_too_early_it_waits_longer() {
        let mut b = Bench::new();
        b.run(2, 0.9, 10);
        assert_eq!(b.run(4, 0.1, 10), [1, 1, 1, 0]);
        assert_eq!(b.run(2, 0.9, 10), [0, 1]);
        assert_eq!(b.run(7, 0.1, 10), [1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(b.run(40, 0.1, 10).last(), Some(&0));
        b.run(2, 0.9, 10);
        assert_eq!(b.run(7, 0.1, 10).last(), Some(&0));
        b.run(60, 0.1, 10);
        b.run(2, 0.9, 10);
        assert_eq!(b.run(4, 0.1, 10).last(), Some(&0), "a long calm counts");
    }

    #[test]
    fn memory_alone_sheds_too_and_what_cannot_be_read_does_not() {
        let mut b = Bench::new();
        assert_eq!(b.run(3, 0.0, 91), [0, 1, 2]);
        assert_eq!(b.run(10, 0.0, 80).last(), Some(&2), "not calm yet");
        assert_eq!(b.run(4, 0.0, 70).last(), Some(&1));
        let mut controller = Controller::new(Limits { cpu: None, ..LIMITS });
        let nothing = Reading { cpu: None, memory: None };
        assert_eq!(controller.take(nothing, b.now), None);
        let busy = Reading { cpu: Some(9.0), memory: Some(1) };
        assert!((0..9).all(|_| controller.take(busy, b.now).is_none()), "no budget");
    }
}
