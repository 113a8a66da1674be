//! JSON lines: one object per record, keys and values as nProbe writes them.

mod encoder;
mod escape;

pub use encoder::{JsonEncoder, JsonKeys};
