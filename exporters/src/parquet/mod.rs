//! Parquet files in folders that Hive's partitions name: `date=2026-01-31/hour=13/….parquet`, in UTC, by the flows' ends.
//!
//! A file is complete or absent: it is written under a name that no reader looks for, and gets its own when it is whole.

mod column;
mod encoder;
mod leftovers;
mod open_file;
mod part_file;
mod row_group;
#[cfg(feature = "parquet-s3")]
mod s3;
mod schema;
mod sink;
mod store;
mod texts;

pub use encoder::ParquetEncoder;
pub(crate) use sink::{ParquetSink, check};
