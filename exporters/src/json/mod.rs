//! JSON lines: one object per record, keys and values as nProbe writes them.

mod encoder;
mod escape;
mod plain;

pub(crate) use encoder::put_value;
pub use encoder::{JsonEncoder, JsonKeys};
pub(crate) use escape::put_string;
#[cfg(feature = "parquet")]
pub(crate) use plain::{put_ipv4, put_mac};
