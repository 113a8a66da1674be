//! Durations as people write them: `15s`, `2m`, `500ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A duration from the command line or the configuration file; zero means "never".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Text")]
pub(crate) struct Timeout(pub(crate) Duration);

/// A duration in the configuration file: `"15s"`, or a bare number of seconds.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a duration is written as \"500ms\", \"15s\", \"2m\", \"1h\" or \"0\"")]
enum Text {
    Text(String),
    Seconds(u64),
}

/// The longest duration: a year. Longer ones are mistakes, and would overflow the kernel's times.
const MAX: Duration = Duration::from_secs(366 * 86_400);

impl TryFrom<Text> for Timeout {
    type Error = String;

    fn try_from(t: Text) -> Result<Self, String> {
        match t {
            Text::Text(t) => t.parse(),
            Text::Seconds(s) => bounded(Duration::from_secs(s), &s.to_string()),
        }
    }
}

impl Timeout {
    /// A whole number of seconds.
    pub(crate) const fn seconds(s: u64) -> Self {
        Self(Duration::from_secs(s))
    }

    /// Nanoseconds; none for zero, which means "never".
    pub(crate) fn nanoseconds(self) -> Option<u64> {
        let ns = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        (ns > 0).then_some(ns)
    }
}

fn bounded(duration: Duration, given: &str) -> Result<Timeout, String> {
    if duration > MAX {
        Err(format!("\"{given}\" is too long: a duration is at most 366d, or 0 for never"))
    } else {
        Ok(Timeout(duration))
    }
}

fn unit_ms(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    }
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let text = s.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let ms = number.parse::<u64>().ok().zip(unit_ms(unit.trim())).and_then(|(n, u)| n.checked_mul(u));
        let wrong = || format!("\"{s}\" is not a duration: write 500ms, 15s, 2m, 1h, or 0 for never");
        bounded(Duration::from_millis(ms.ok_or_else(wrong)?), s)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 60_000 == 0 && ms > 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, ms) in [
            ("15s", 15_000),
            ("2m", 120_000),
            ("500ms", 500),
            ("0", 0),
            ("7", 7000),
            ("1h", 3_600_000),
            ("90 s", 90_000),
        ] {
            assert_eq!(text.parse(), Ok(Timeout(Duration::from_millis(ms))), "{text}");
        }
    }

    #[test]
    fn nonsense_says_what_is_allowed() {
        for text in ["", "s", "-1s", "15x", "1.5s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(text.parse::<Timeout>().unwrap_err().contains("write 500ms"), "{text}");
        }
    }

    #[test]
    fn a_year_is_the_longest() {
        assert!("366d".parse::<Timeout>().is_ok());
        for text in ["367d", "18446744073709551s", "9999999999999999"] {
            assert!(text.parse::<Timeout>().unwrap_err().contains("at most 366d"), "{text}");
        }
    }

    #[test]
    fn zero_is_never() {
        assert_eq!(Timeout::seconds(0).nanoseconds(), None);
        assert_eq!(Timeout::seconds(2).nanoseconds(), Some(2_000_000_000));
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["15s", "2m", "500ms", "0s"] {
            assert_eq!(text.parse::<Timeout>().unwrap().to_string(), text);
        }
    }
}
