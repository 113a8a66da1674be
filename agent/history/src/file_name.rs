//! Names of files: `2026-11-30T14.sqlite`, then `2026-11-30T14.1.sqlite` if an hour needs more than one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::HistoryError;

/// Nanoseconds of an hour.
pub(crate) const HOUR_NS: u64 = 3_600_000_000_000;
const SUFFIX: &str = ".sqlite";
/// Files that SQLite keeps beside an open one.
pub(crate) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The name of a file, which sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileName {
    /// Hours since the epoch.
    pub(crate) hour: u32,
    /// The number of the file within the hour, from 0.
    pub(crate) part: u32,
}

impl FileName {
    /// The first file of the hour in which this time is.
    pub(crate) fn at(now_ns: u64) -> Self {
        Self { hour: u32::try_from(now_ns / HOUR_NS).unwrap_or(u32::MAX), part: 0 }
    }

    /// The beginning of the hour, nanoseconds since the epoch.
    pub(crate) const fn start_ns(self) -> u64 {
        self.hour as u64 * HOUR_NS
    }

    /// The next file of the same hour.
    pub(crate) const fn next_part(self) -> Self {
        Self { hour: self.hour, part: self.part.saturating_add(1) }
    }

    /// All files in the folder, the oldest first.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>, HistoryError> {
        let entries = folder.read_dir().map_err(|e| HistoryError::io(folder, e))?;
        let mut names: Vec<Self> =
            entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The file in the folder.
    pub(crate) fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.to_string())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::from(self.hour) * 3600;
        let hour = Timestamp::from_second(seconds).map_err(|_| fmt::Error)?.to_zoned(TimeZone::UTC);
        write!(f, "{:04}-{:02}-{:02}T{:02}", hour.year(), hour.month(), hour.day(), hour.hour())?;
        if self.part > 0 {
            write!(f, ".{}", self.part)?;
        }
        f.write_str(SUFFIX)
    }
}

impl FromStr for FileName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.strip_suffix(SUFFIX).ok_or(())?;
        let (hour, part) = match name.split_once('.') {
            Some((hour, part)) => (hour, part.parse().map_err(drop)?),
            None => (name, 0),
        };
        let time: Timestamp = format!("{hour}:00:00Z").parse().map_err(drop)?;
        let found = Self { hour: u32::try_from(time.as_second() / 3600).map_err(drop)?, part };
        // Other spellings of the same hour are not files of a history.
        if found.to_string() == text { Ok(found) } else { Err(()) }
    }
}

/// The position of a record: its file, and its number there. Later records have greater positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub(crate) file: FileName,
    pub(crate) id: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.file.hour, self.file.part, self.id)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "the next_cursor of an earlier answer";
        let mut numbers = text.split('-');
        let mut next = || numbers.next().filter(|n| n.bytes().all(|b| b.is_ascii_digit())).ok_or(ALLOWED);
        let (hour, part, id) = (next()?, next()?, next()?);
        let file = FileName { hour: hour.parse().map_err(|_| ALLOWED)?, part: part.parse().map_err(|_| ALLOWED)? };
        let id = id.parse().map_err(|_| ALLOWED)?;
        if numbers.next().is_none() { Ok(Self { file, id }) } else { Err(ALLOWED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_by_time() {
        let first = FileName::at(1_796_000_000_000_000_000);
        assert_eq!(first.to_string(), "2026-11-30T00.sqlite");
        let names =
            [first, first.next_part(), FileName { part: 10, ..first }, FileName::at(first.start_ns() + HOUR_NS)];
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| name.to_string().parse() == Ok(*name)), "{names:?}");
    }

    #[test]
    fn other_files_are_not_of_a_history() {
        for text in [
            "2026-11-30T00.db",
            "2026-11-30T24.sqlite",
            "2026-11-30T00.01.sqlite",
            "2026-11-30T00.0.sqlite",
            "x.sqlite",
            "2026-11-30T00.sqlite-wal",
            "2026-11-30T00.damaged-1",
            "+2026-11-30T00.sqlite",
        ] {
            assert_eq!(text.parse::<FileName>(), Err(()), "{text}");
        }
    }

    #[test]
    fn places_come_back() {
        let place = Place { file: FileName { hour: 5, part: 1 }, id: 77 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "1-2", "1-2-3-4", "1-+2-3", "a-b-c", "1-2-99999999999999999999"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
