//! Times of a query: how long ago, or when.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::timeout::Timeout;

/// A time as it was given. Which one it is follows from the time and time zone of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryTime {
    /// This long before the query; none: before everything.
    Ago(Option<std::time::Duration>),
    /// In any time zone.
    At(Timestamp),
    /// In the local one.
    Local(DateTime),
    /// Of the day of the query.
    Today(Time),
}

impl FromStr for QueryTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = || text.parse::<Timeout>().ok().map(|t| Self::Ago((!t.0.is_zero()).then_some(t.0)));
        let at = || text.parse().ok().map(Self::At);
        let date = || text.parse::<Date>().ok().filter(|_| !text.contains([':', 'T'])).map(|d| Self::Local(d.into()));
        let local = || text.parse().ok().filter(|_| text.contains('-')).map(Self::Local);
        let today = || text.parse().ok().filter(|_| text.contains(':')).map(Self::Today);
        let found = ago().or_else(at).or_else(date).or_else(local).or_else(today);
        found.ok_or_else(|| {
            format!("{text:?} is not a time: it is written as 1h (ago), 14:30, 2026-11-30, 2026-11-30T14:30 or 2026-11-30T14:30:00Z")
        })
    }
}

impl QueryTime {
    /// Nanoseconds since the epoch, for a query at this time in this time zone. A local time that does not exist, because a clock was
    /// set forward, is the one an hour later.
    pub(crate) fn nanoseconds(self, now: &Zoned) -> u64 {
        let zone: &TimeZone = now.time_zone();
        let local = |time: DateTime| zone.to_ambiguous_timestamp(time).compatible().unwrap_or(Timestamp::UNIX_EPOCH);
        let time = match self {
            Self::Ago(None) => Timestamp::UNIX_EPOCH,
            Self::Ago(Some(ago)) => now.timestamp().checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH),
            Self::At(time) => time,
            Self::Local(time) => local(time),
            Self::Today(time) => local(now.date().to_datetime(time)),
        };
        u64::try_from(time.as_nanosecond()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_zone_of_the_query() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now = "2026-11-30T12:00:00Z".parse::<Timestamp>().unwrap().to_zoned(zone);
        for (text, expected) in [
            ("1h", "2026-11-30T11:00:00Z"),
            ("90", "2026-11-30T11:58:30Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("13:30", "2026-11-30T11:30:00Z"),
            ("2026-11-29", "2026-11-28T22:00:00Z"),
            ("2026-11-29T10:00", "2026-11-29T08:00:00Z"),
            ("2026-11-29 10:00:05", "2026-11-29T08:00:05Z"),
            ("2026-11-29T10:00:00Z", "2026-11-29T10:00:00Z"),
            ("2026-11-29T10:00:00+05:00", "2026-11-29T05:00:00Z"),
        ] {
            let time: QueryTime = text.parse().unwrap();
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(i128::from(time.nanoseconds(&now)), expected.as_nanosecond(), "{text}");
        }
        for wrong in ["", "soon", "25:00", "2026-13-01", "-1h", "yesterday"] {
            assert!(wrong.parse::<QueryTime>().is_err(), "{wrong}");
        }
    }
}
