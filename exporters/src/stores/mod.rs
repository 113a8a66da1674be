//! Stores that take records over HTTP.

mod clickhouse;

pub(crate) use clickhouse::ClickHouse;
