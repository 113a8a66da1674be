//! The end of a page of an answer: an opaque string that the next request contains.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// A position in the order of arrival, newest last. It stands for everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

impl Place {
    /// After the newest item.
    pub(crate) const NEWEST: Self = Self(u64::MAX);
}

/// The position of a client that reads an answer page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Items before this place are still to come.
    pub(crate) before: Place,
    /// A number of the store from when the walk began, with which it detects that items have been evicted since; none:
    /// the walk begins now.
    pub(crate) mark: Option<u64>,
}

impl Walk {
    /// The start of a walk, at the newest item.
    pub(crate) const START: Self = Self { before: Place::NEWEST, mark: None };
}

/// The next step of a walk, as sent to the client. Places are valid only within one run of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    run: u32,
    place: Place,
    mark: u64,
}

/// Distinguishes this run of the program from others.
static RUN_ID: LazyLock<u32> = LazyLock::new(|| {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.subsec_nanos() ^ std::process::id() ^ (since_epoch.as_secs() as u32).rotate_left(16)
});

impl Cursor {
    /// A cursor for a place of this run, with the mark of the walk.
    pub(crate) fn new(place: Place, mark: u64) -> Self {
        Self { run: *RUN_ID, place, mark }
    }

    /// The walk; none: the cursor is from another run.
    pub(crate) fn walk(self) -> Option<Walk> {
        (self.run == *RUN_ID).then_some(Walk { before: self.place, mark: Some(self.mark) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}{:016x}", self.run, self.place.0, self.mark)
    }
}

/// What [`Cursor`]'s text looks like, as a regular expression.
pub(crate) const PATTERN: &str = "^[0-9a-f]{40}$";

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hexadecimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_one = text.len() == 40 && is_hexadecimal;
        let number = |digits| u64::from_str_radix(text.get(digits)?, 16).ok();
        let read = || {
            let (run, place, mark) = (number(0..8)?, number(8..24)?, number(24..40)?);
            Some(Self { run: run as u32, place: Place(place), mark })
        };
        is_one.then(read).flatten().ok_or("the next_cursor of an earlier answer, 40 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back() {
        let cursor = Cursor::new(Place(77), 5);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(cursor.walk(), Some(Walk { before: Place(77), mark: Some(5) }));
        assert_eq!(Cursor { run: *RUN_ID ^ 1, ..cursor }.walk(), None);
    }

    #[test]
    fn anything_else_is_none() {
        let zeros = |n| "0".repeat(n);
        for text in ["".into(), "x".into(), "+".to_owned() + &zeros(39), zeros(41), "é".to_owned() + &zeros(38)] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
