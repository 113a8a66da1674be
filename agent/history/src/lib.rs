//! Flow records kept in a folder, and queries on them.
//!
//! A file contains the records that were written in one hour (UTC). It is an SQLite database, so that `sqlite3` opens it;
//! `docs/history.md` describes its tables. Processes, addresses and other things that many records have in common are in it once.
//!
//! A record is stored as the values of its elements, by their names. So files remain readable when the agent's own structures
//! change. Time is an argument: nothing here reads a clock, except to keep the time limit of a query.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod answer;
mod blank;
mod dictionary;
mod error;
mod facet;
mod file_name;
mod hour;
mod narrow;
mod numbers;
mod reader;
mod retention;
mod stored;
mod stored_file;
mod tables;
mod value;
mod writer;

pub use answer::{Answer, Group, Point, Sums};
pub use error::HistoryError;
pub use file_name::Place;
pub use reader::{Limits, Reader, Selected};
pub use retention::Retention;
pub use writer::{Committed, Writer};

/// A record that is the same in all its elements was given back. For tests and benchmarks.
#[must_use]
pub fn same_elements(a: &pidflow_schema::FlowRecord, b: &pidflow_schema::FlowRecord) -> bool {
    pidflow_schema::ELEMENTS.iter().all(|e| (e.read)(a) == (e.read)(b))
}
