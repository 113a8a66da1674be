//! Names with placeholders for a time.

use std::fmt::{self, Write};

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{SECOND_NS, timestamp};

/// A text with the placeholders `%Y %m %d %H %M %S` for a time in UTC, as in strftime(3); `%%` is one `%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimePattern {
    text: String,
    parts: Vec<PatternPart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternPart {
    Text(String),
    Placeholder(char),
}

impl TimePattern {
    /// Parses the text.
    ///
    /// # Errors
    /// A `%` is followed by anything else. The message lists what is allowed.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('%') {
            parts.push(PatternPart::Text(before.to_owned()));
            let mut after = after.chars();
            parts.push(match after.next() {
                Some(c @ ('Y' | 'm' | 'd' | 'H' | 'M' | 'S')) => PatternPart::Placeholder(c),
                Some('%') => PatternPart::Text("%".to_owned()),
                _ => return Err("allowed after % are Y, m, d, H, M, S (of the time in UTC) and another %"),
            });
            rest = after.as_str();
        }
        parts.push(PatternPart::Text(rest.to_owned()));
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The text for a time, in nanoseconds since 1970.
    #[must_use]
    pub fn render(&self, ns: u64) -> String {
        let (moment, mut out) = (Offset::UTC.to_datetime(timestamp(ns)), String::new());
        for part in &self.parts {
            match part {
                PatternPart::Text(text) => out.push_str(text),
                // Writing to a string cannot fail.
                PatternPart::Placeholder(c) => _ = write!(out, "{:0width$}", number(moment, *c), width = width(*c)),
            }
        }
        out
    }

    /// Whether the text contains a placeholder.
    #[must_use]
    pub fn has_time(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, PatternPart::Placeholder(_)))
    }

    /// The rest of a text after a beginning that [`Self::render`] may have produced; none: there is no such beginning.
    pub(crate) fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.parts.iter().try_fold(text, |rest, part| match part {
            PatternPart::Text(text) => rest.strip_prefix(text.as_str()),
            PatternPart::Placeholder(c) => {
                let (number, rest) = rest.split_at_checked(width(*c))?;
                number.bytes().all(|b| b.is_ascii_digit()).then_some(rest)
            }
        })
    }

    /// The period, counted from 1970, within which all times give the same text.
    #[must_use]
    pub fn period_ns(&self) -> u64 {
        let seconds = |part: &PatternPart| match part {
            PatternPart::Text(_) => u64::MAX / SECOND_NS,
            PatternPart::Placeholder('H') => 3600,
            PatternPart::Placeholder('M') => 60,
            PatternPart::Placeholder('S') => 1,
            PatternPart::Placeholder(_) => 86_400,
        };
        self.parts.iter().map(seconds).min().unwrap_or(1) * SECOND_NS
    }
}

/// What a placeholder stands for.
fn number(moment: DateTime, placeholder: char) -> i16 {
    match placeholder {
        'Y' => moment.year(),
        'm' => moment.month().into(),
        'd' => moment.day().into(),
        'H' => moment.hour().into(),
        'M' => moment.minute().into(),
        _ => moment.second().into(),
    }
}

/// Digits of a placeholder's number.
const fn width(placeholder: char) -> usize {
    if placeholder == 'Y' { 4 } else { 2 }
}

impl fmt::Display for TimePattern {
    /// The text as it was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let pattern = TimePattern::parse("flows-%Y.%m.%d_%H%M%S-100%%").unwrap();
        assert_eq!(pattern.render(951_782_400_123_000_000), "flows-2000.02.29_000000-100%");
        assert_eq!(TimePattern::parse("flows").unwrap().render(1), "flows");
        assert!(TimePattern::parse("%y").is_err() && TimePattern::parse("%").is_err());
    }

    #[test]
    fn its_own_texts_are_known_again() {
        let pattern = TimePattern::parse("a-%Y%m-100%%").unwrap();
        assert_eq!(pattern.strip(&format!("{}.2", pattern.render(0))), Some(".2"));
        assert_eq!(["a-197001-100", "a-1970x1-100%", "a-19", "ä"].map(|text| pattern.strip(text)), [None; 4]);
        assert!(pattern.has_time() && !TimePattern::parse("a%%").unwrap().has_time());
    }

    #[test]
    fn the_text_changes_with_the_period_only() {
        for (text, period) in [("%Y.%m.%d", 86_400), ("%d%H", 3600), ("%H-%M", 60), ("%S", 1)] {
            let pattern = TimePattern::parse(text).unwrap();
            assert_eq!(pattern.period_ns(), period * SECOND_NS);
            let end = 1_000 * pattern.period_ns();
            assert_ne!(pattern.render(end - 1), pattern.render(end));
            assert_eq!(pattern.render(end), pattern.render(end + pattern.period_ns() - 1));
        }
    }
}
