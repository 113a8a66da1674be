//! Puts the records of several agents about one flow together.
//!
//! Records with the same key ([`pidflow_schema::Flow::key`]) are of one flow. Each end is taken from the agent that is at it, counters
//! are summed per agent and then the greatest sum is taken, as in ClickHouse's `whole_flows` (`exporters/mappings/clickhouse-glued.sql`).
//! Records wait for a window. Memory is bounded by [`Settings::max_bytes`]: what is pushed out goes out as it came, and is counted.
//!
//! Pure: time is an argument, and only its differences matter.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod counters;
mod ends;
mod flow;
mod glue;
mod half;
mod sums;
mod whole;

pub use counters::Counters;
pub use glue::{Glue, Settings};
