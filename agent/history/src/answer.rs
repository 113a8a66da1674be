//! Answers to queries.

use pidflow_expression::SelectorValue;
use pidflow_schema::FlowRecord;

/// What an answer consists of, and what it lacks.
#[derive(Debug)]
pub struct Answer<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// Files that could not be read, one line each.
    pub skipped: Vec<String>,
}

/// Sums of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Number of records.
    pub records: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// Bytes of both directions, IP header included.
    pub bytes: u64,
}

impl Sums {
    /// Those of one record.
    pub(crate) const fn of(record: &FlowRecord) -> Self {
        let (forward, reverse) = (&record.flow.forward, &record.flow.reverse);
        Self {
            records: 1,
            packets: forward.packets.saturating_add(reverse.packets),
            bytes: forward.octets.saturating_add(reverse.octets),
        }
    }

    /// Adds others.
    pub(crate) const fn add(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The records with the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The values, in the order of the names; none: unknown.
    pub key: Vec<Option<SelectorValue>>,
    /// Their sums.
    pub sums: Sums,
}

/// The records that ended within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The beginning of that time, nanoseconds since the epoch.
    pub start_ns: u64,
    /// Their sums.
    pub sums: Sums,
}
