//! Stores that accept records over HTTP.

mod clickhouse;
mod elastic;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod halving;
mod influx;
mod loki;

pub(crate) use clickhouse::ClickHouse;
pub(crate) use elastic::Elastic;
pub(crate) use halving::Halving;
use halving::Store;
pub(crate) use influx::Influx;
pub use influx::{InfluxEncoder, NoPoint};
pub(crate) use loki::Loki;
