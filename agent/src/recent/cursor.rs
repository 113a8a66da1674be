//! Where a page of an answer ends: an opaque word that the next question brings along.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// A place in the order in which things came, newest last. Everything before it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

impl Place {
    /// Behind everything.
    pub(crate) const NEWEST: Self = Self(u64::MAX);
}

/// A place as it goes out: places of another run of the agent mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    run: u32,
    place: Place,
}

/// Tells this run of the program from others.
static RUN: LazyLock<u32> = LazyLock::new(|| {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.subsec_nanos() ^ std::process::id() ^ (since_epoch.as_secs() as u32).rotate_left(16)
});

impl Cursor {
    /// For a place of this run.
    pub(crate) fn new(place: Place) -> Self {
        Self { run: *RUN, place }
    }

    /// The place; none: it is of another run.
    pub(crate) fn place(self) -> Option<Place> {
        (self.run == *RUN).then_some(self.place)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}", self.run, self.place.0)
    }
}

/// What [`Cursor`]'s text looks like, as a regular expression.
pub(crate) const PATTERN: &str = "^[0-9a-f]{24}$";

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hexadecimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let halves = text.split_at_checked(8).filter(|_| text.len() == 24 && is_hexadecimal);
        let read = halves.and_then(|(run, place)| {
            let (run, place) = (u32::from_str_radix(run, 16).ok()?, u64::from_str_radix(place, 16).ok()?);
            Some(Self { run, place: Place(place) })
        });
        read.ok_or("the next_cursor of an earlier answer, 24 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back() {
        let cursor = Cursor::new(Place(77));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(cursor.place(), Some(Place(77)));
        assert_eq!(Cursor { run: *RUN ^ 1, place: Place(77) }.place(), None);
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "x", "+00000001000000000000001", "0000000000000000000000000", "é00000000000000000000000"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
