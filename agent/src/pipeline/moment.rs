//! The time, as the pipeline uses it.

use std::time::Instant;

use crate::clock::{BootClock, engine_ns};

/// One moment on all clocks that the pipeline uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The engine's time, nanoseconds since the epoch.
    pub(crate) engine_ns: u64,
    /// The wall clock, which stamps packets, measured at that moment.
    pub(crate) wall: BootClock,
    /// The monotonic clock, for intervals within the program.
    pub(crate) instant: Instant,
}

impl Moment {
    /// The current moment.
    pub(crate) fn now() -> Self {
        Self { engine_ns: engine_ns(), wall: BootClock::measured(), instant: Instant::now() }
    }
}
