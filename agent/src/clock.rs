//! Clocks. The engine's time is the wall clock's time when the agent started, plus the time that has passed since then
//! on the kernel's boot clock. Nobody can set that clock, so the engine's time never goes back and never jumps. Boot
//! times from the kernel are converted once, at the source. Packets carry wall time; [`Timeline`] converts it, and
//! converts times in records back.

use std::sync::OnceLock;

/// Nanoseconds of a POSIX clock; 0 when the clock cannot be read.
fn read(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(clock, &mut t) };
    (t.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as u64)
}

/// Wall time now, nanoseconds since the epoch. It may be set at any time.
pub(crate) fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// CLOCK_BOOTTIME now, the clock of process start times. It continues while the machine sleeps.
pub(crate) fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// The clock of all facts: measured once, at the first call.
pub(crate) fn engine_clock() -> BootClock {
    static CLOCK: OnceLock<BootClock> = OnceLock::new();
    *CLOCK.get_or_init(BootClock::measured)
}

/// The engine's time now, nanoseconds since the epoch.
pub(crate) fn engine_ns() -> u64 {
    engine_clock().at(boot_ns())
}

/// Number of tries of one measurement; the most precise one counts.
const MEASUREMENT_ATTEMPTS: usize = 8;

/// Converts CLOCK_BOOTTIME to time since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BootClock {
    offset_ns: u64,
    /// Maximum error: half the time that the measurement took.
    error_ns: u64,
}

impl BootClock {
    /// Measures how far the wall clock is ahead of boot time now.
    pub(crate) fn measured() -> Self {
        let tries = (0..MEASUREMENT_ATTEMPTS).map(|_| Self::measure());
        tries.min_by_key(|m| m.error_ns).unwrap_or(Self { offset_ns: 0, error_ns: u64::MAX })
    }

    fn measure() -> Self {
        let (before, wall, after) = (boot_ns(), wall_ns(), boot_ns());
        let error_ns = after.saturating_sub(before) / 2;
        Self { offset_ns: wall.saturating_sub(before + error_ns), error_ns }
    }

    /// The same clock, set by that amount.
    #[cfg(test)]
    pub(crate) const fn shifted(self, by_ns: i64) -> Self {
        Self { offset_ns: self.offset_ns.saturating_add_signed(by_ns), ..self }
    }

    /// Boot time as nanoseconds since the epoch.
    pub(crate) const fn at(self, boot_ns: u64) -> u64 {
        self.offset_ns.saturating_add(boot_ns)
    }

    /// How far this clock is ahead of `other`, nanoseconds; none: the difference is within the error of both.
    fn ahead_of(self, other: Self) -> Option<i64> {
        let by_ns = i128::from(self.offset_ns) - i128::from(other.offset_ns);
        let is_sure = by_ns.unsigned_abs() > u128::from(self.error_ns.saturating_add(other.error_ns));
        is_sure.then(|| i64::try_from(by_ns).unwrap_or(if by_ns < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// How long after a step of the clock packets with older timestamps may still arrive.
const LATE_PACKETS_NS: u64 = 60_000_000_000;

/// How far the wall clock, with which the kernel stamps packets, is ahead of the engine's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    wall: BootClock,
    /// Wall time less engine time, nanoseconds; 0 until the clock is set.
    ahead_ns: i64,
    /// The same before the last step, and the engine's time at which that was noticed.
    before: Option<(i64, u64)>,
}

impl Timeline {
    /// Starts with the wall clock as it was when the engine's clock was measured.
    pub(crate) const fn new(wall: BootClock) -> Self {
        Self { wall, ahead_ns: 0, before: None }
    }

    /// Measures the wall clock again. Returns how far it was set since the last measurement (by settimeofday, NTP's
    /// first correction, a hardware clock in local time). None: it was not set.
    pub(crate) fn follow(&mut self, wall: BootClock, engine_ns: u64) -> Option<i64> {
        let Some(by_ns) = wall.ahead_of(self.wall) else {
            // If two measurements agree, the more precise one is kept.
            self.wall = if wall.error_ns < self.wall.error_ns { wall } else { self.wall };
            return None;
        };
        self.before = Some((self.ahead_ns, engine_ns));
        self.wall = wall;
        self.ahead_ns = self.ahead_ns.saturating_add(by_ns);
        Some(by_ns)
    }

    /// Whether the timestamps of packets may differ from the engine's time.
    pub(crate) const fn was_set(self) -> bool {
        self.before.is_some()
    }

    /// Converts a packet's timestamp to the engine's time. After a step, packets with older timestamps still arrive.
    /// The clock under which the timestamp is nearer to now is taken to be the one that made it.
    pub(crate) fn engine_time(self, stamp_ns: u64, now_ns: u64) -> u64 {
        let time = |ahead_ns: i64| stamp_ns.saturating_add_signed(ahead_ns.saturating_neg());
        let new_ns = time(self.ahead_ns);
        let is_recent = |since_ns: u64| now_ns.saturating_sub(since_ns) < LATE_PACKETS_NS;
        let old_ns = self.before.filter(|(_, since_ns)| is_recent(*since_ns)).map(|(ahead_ns, _)| time(ahead_ns));
        old_ns.filter(|old_ns| old_ns.abs_diff(now_ns) < new_ns.abs_diff(now_ns)).unwrap_or(new_ns)
    }

    /// The difference to add to the engine's time to get the wall clock's time.
    pub(crate) const fn to_wall(self) -> i64 {
        self.ahead_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * S;

    const fn clock(offset_ns: u64) -> BootClock {
        BootClock { offset_ns, error_ns: 100 }
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_in_both_directions() {
        let mut timeline = Timeline::new(clock(10 * HOUR));
        assert_eq!(timeline.follow(clock(10 * HOUR + 150), S), None, "a measurement's error");
        assert_eq!(timeline.follow(clock(9 * HOUR), 2 * S), Some(-(HOUR as i64)));
        assert_eq!((timeline.follow(clock(9 * HOUR), 3 * S), timeline.to_wall()), (None, -(HOUR as i64)));
        assert_eq!(timeline.follow(clock(10 * HOUR), 4 * S), Some(HOUR as i64));
        assert_eq!(timeline.to_wall(), 0);
    }

    #[test]
    fn errors_of_measurement_add_up_to_no_step() {
        let mut timeline = Timeline::new(clock(HOUR));
        for n in 0..1000 {
            assert_eq!(timeline.follow(BootClock { offset_ns: HOUR + n * 331 % 600, error_ns: 600 }, n), None, "{n}");
        }
        assert_eq!(timeline.to_wall(), 0);
    }

    #[test]
    fn packets_of_either_clock_get_the_same_time() {
        let mut timeline = Timeline::new(clock(10 * HOUR));
        let now = 11 * HOUR;
        assert_eq!(timeline.engine_time(now, now), now);
        timeline.follow(clock(9 * HOUR), now);
        assert_eq!(timeline.engine_time(now - HOUR, now), now, "the new clock's");
        assert_eq!(timeline.engine_time(now - S, now), now - S, "stamped before the step");
        assert_eq!(timeline.engine_time(now + 30 * S, now + 61 * S), now + HOUR + 30 * S, "too late for that");
    }

    #[test]
    fn the_engines_time_goes_on_with_the_wall_clock() {
        let (engine, wall) = (engine_ns(), wall_ns());
        assert!(engine.abs_diff(wall) < S, "{engine} {wall}");
        assert!(engine_ns() >= engine);
    }
}
