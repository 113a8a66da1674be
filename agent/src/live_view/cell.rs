//! A cell of a table: a value that is compared as such, and formatted only if it is drawn.

use crate::figures::{bytes, count};

/// A value of a column. Within a column, unknown values come before known ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// Not known.
    Unknown,
    /// A name.
    Text(String),
    /// Bytes.
    Bytes(u64),
    /// Bytes per second.
    Rate(u64),
    /// How many.
    Count(u64),
    /// A number that identifies something.
    Number(u64),
    /// Percent × 100.
    Percent(u32),
    /// A time in seconds.
    Seconds(u64),
}

impl Cell {
    /// As it is shown.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Unknown => "-".into(),
            Self::Text(text) => text.clone(),
            Self::Bytes(n) => bytes(*n),
            Self::Rate(n) => format!("{}/s", bytes(*n)),
            Self::Count(n) => count(*n),
            Self::Number(n) => n.to_string(),
            Self::Percent(hundredths) => percent(*hundredths),
            Self::Seconds(s) => time(*s),
        }
    }
}

/// `0.5 %`, `12 %`.
pub(super) fn percent(hundredths: u32) -> String {
    let value = f64::from(hundredths) / 100.0;
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} %")
}

/// `59 s`, `59 min`, `47 h`, `9 d`.
pub(super) fn time(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_short() {
        let cells = [Cell::Unknown, Cell::Rate(999_600), Cell::Percent(994), Cell::Percent(40_000)];
        assert_eq!(cells.each_ref().map(Cell::text), ["-", "1.0 MB/s", "9.9 %", "400 %"]);
        let times = [0, 59, 60, 3599, 3600, 172_799, 172_800].map(time);
        assert_eq!(times, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(Cell::Bytes(999) < Cell::Bytes(1000) && Cell::Unknown < Cell::Bytes(0));
    }
}
