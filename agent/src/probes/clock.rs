//! Kernel monotonic time to wall time, once, at the source.

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

/// Turns CLOCK_BOOTTIME into wall time. Taken anew for each batch, so that a stepped clock is followed
/// as packets' times follow it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BootClock {
    offset_ns: u64,
}

impl BootClock {
    /// The offset as it is now.
    pub(crate) fn now() -> Self {
        Self { offset_ns: wall_ns().saturating_sub(boot_ns()) }
    }

    /// Boot time as nanoseconds since the epoch.
    pub(crate) const fn wall(self, boot_ns: u64) -> u64 {
        self.offset_ns.saturating_add(boot_ns)
    }
}
