//! Selection of flow records and processes: conditions as plain values, independent of the caller.

mod period;
mod process;
mod protocol;
mod record;

pub(crate) use period::{Moment, Period};
pub(crate) use process::ProcessFilter;
pub(crate) use protocol::{protocol_name, protocol_number};
pub(crate) use record::RecordFilter;
