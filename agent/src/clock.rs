//! Clocks: wall time, and the kernel's time since boot turned into it, once, at the source.

/// Nanoseconds of a POSIX clock; 0 when the clock cannot be read.
fn read(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(clock, &mut t) };
    (t.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as u64)
}

/// Wall time now, nanoseconds since the epoch.
pub(crate) fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// CLOCK_BOOTTIME now, the clock of process start times.
pub(crate) fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// Tries of one measurement; the one least disturbed counts.
const TRIES: usize = 8;

/// Turns CLOCK_BOOTTIME into wall time. Measured anew for each batch, so that a stepped clock is followed as
/// packets' times follow it, but a measurement that was interrupted does not shift what is known better.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BootClock {
    offset_ns: u64,
    /// How far off it may be: half the time that the measurement took.
    error_ns: u64,
}

impl BootClock {
    /// The offset as it is now.
    pub(crate) fn now() -> Self {
        let tries = (0..TRIES).map(|_| Self::measure());
        tries.min_by_key(|m| m.error_ns).unwrap_or(Self { offset_ns: 0, error_ns: u64::MAX })
    }

    fn measure() -> Self {
        let (before, wall, after) = (boot_ns(), wall_ns(), boot_ns());
        let error_ns = after.saturating_sub(before) / 2;
        Self { offset_ns: wall.saturating_sub(before + error_ns), error_ns }
    }

    /// Measures again; keeps what is known where the new measurement allows for it and is less sure.
    #[cfg(feature = "probes")]
    pub(crate) fn refresh(&mut self) {
        let new = Self::now();
        let agrees = new.offset_ns.abs_diff(self.offset_ns) <= new.error_ns + self.error_ns;
        if !agrees || new.error_ns < self.error_ns {
            *self = new;
        }
    }

    /// Boot time as nanoseconds since the epoch.
    pub(crate) const fn wall(self, boot_ns: u64) -> u64 {
        self.offset_ns.saturating_add(boot_ns)
    }
}
