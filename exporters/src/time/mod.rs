//! The clock, and times as text, in UTC.

mod iso8601;
mod pattern;

use std::time::{SystemTime, UNIX_EPOCH};

pub use iso8601::Iso8601;
pub use pattern::TimePattern;

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
const DAY_S: u64 = 86_400;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

/// Nanoseconds since 1970 as receivers take them that count in 64 bits with sign: until 2262. None: a later moment.
pub(crate) fn signed_ns(ns: u64) -> Option<i64> {
    i64::try_from(ns).ok()
}

/// The system's clock now, nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment by calendar and clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Nanoseconds since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    const fn new(ns: u64) -> Self {
        let seconds = ns / SECOND_NS;
        let days = seconds / DAY_S + EPOCH_DAYS;
        let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day, hour: seconds / 3600 % 24, minute: seconds / 60 % 60, second: seconds % 60 }
    }
}
