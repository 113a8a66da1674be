//! Moments and periods of time.

use jiff::Timestamp;

const MILLISECOND_NS: u64 = 1_000_000;

/// A whole millisecond since the epoch: records are no more precise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Moment {
    /// 9999-12-31T23:59:59.999Z.
    pub(crate) const LAST_MS: u64 = 253_402_300_799_999;

    /// Its beginning, nanoseconds since the epoch.
    #[cfg(feature = "history")]
    pub(crate) const fn nanoseconds(self) -> u64 {
        self.0.saturating_mul(MILLISECOND_NS)
    }

    /// Milliseconds since the epoch, as records have them, or RFC 3339. A time before the epoch is the epoch.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        let milliseconds = || text.parse().ok().filter(|ms| is_number && *ms <= Self::LAST_MS);
        let date = || text.parse::<Timestamp>().ok().map(|t| u64::try_from(t.as_millisecond()).unwrap_or(0));
        milliseconds().or_else(date).map(Self)
    }
}

/// From one moment to another, both included; a missing end is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Period {
    /// Its beginning.
    pub(crate) since: Option<Moment>,
    /// Its end.
    pub(crate) until: Option<Moment>,
}

impl Period {
    /// Whether something that lasted from `first_ns` to `last_ns` (nanoseconds since the epoch) has a part in it.
    pub(crate) fn overlaps(self, first_ns: u64, last_ns: u64) -> bool {
        self.since.is_none_or(|t| t.0 <= last_ns / MILLISECOND_NS)
            && self.until.is_none_or(|t| t.0 >= first_ns / MILLISECOND_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_are_read() {
        let read = |text: &str| Moment::parse(text).map(|m| m.0);
        assert_eq!(read("1763800000000"), Some(1_763_800_000_000));
        assert_eq!(read("2025-11-22T08:26:40Z"), Some(1_763_800_000_000));
        assert_eq!(read("2025-11-22T09:26:40.5+01:00"), Some(1_763_800_000_500));
        assert_eq!(read("1969-01-01T00:00:00Z"), Some(0));
        for wrong in ["", "soon", "2025-11-22", "-1", "+1", "99999999999999999999", "2025-13-22T08:26:40Z"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    fn period(since: Option<u64>, until: Option<u64>) -> Period {
        Period { since: since.map(Moment), until: until.map(Moment) }
    }

    #[test]
    fn a_millisecond_is_meant_as_a_whole() {
        let since = |ms, last_ns| period(Some(ms), None).overlaps(0, last_ns);
        assert!(since(5, 5_000_000) && since(5, 5_999_999) && !since(5, 4_999_999));
        let until = |ms, first_ns| period(None, Some(ms)).overlaps(first_ns, u64::MAX);
        assert!(until(5, 5_000_000) && until(5, 5_999_999) && !until(5, 6_000_000));
    }

    #[test]
    fn times_before_and_after_are_outside() {
        let flow = (10_000_000, 20_000_000);
        for (since, until, is_inside) in [
            (Some(0), Some(9), false),
            (Some(0), Some(10), true),
            (Some(12), Some(15), true),
            (Some(20), Some(99), true),
            (Some(21), Some(99), false),
            (None, None, true),
        ] {
            assert_eq!(period(since, until).overlaps(flow.0, flow.1), is_inside, "{since:?} {until:?}");
        }
    }
}
