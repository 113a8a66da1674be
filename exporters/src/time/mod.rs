//! The clock, and times as text, in UTC.

mod iso8601;
mod pattern;

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

pub use iso8601::Iso8601;
pub use pattern::TimePattern;

const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds since 1970 for receivers that use signed 64-bit integers, which last until 2262. None: the time is
/// later.
pub(crate) fn signed_ns(ns: u64) -> Option<i64> {
    i64::try_from(ns).ok()
}

/// The system's clock now, nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Converts nanoseconds since 1970 to a date. 64 bits last until 2554.
fn timestamp(ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::MAX)
}
