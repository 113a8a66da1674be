//! What a receiver's client has to be able to do.

use std::time::Duration;

use pidflow_schema::FlowRecord;

/// What one attempt brought to the receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Records that the receiver took.
    pub(crate) records: usize,
    /// Bytes of them, as sent; 0: there was no message.
    pub(crate) octets: usize,
    /// Records that the receiver refused permanently.
    pub(crate) rejected: usize,
    /// Records that the encoder left out, and has counted itself.
    pub(crate) left_out: usize,
}

impl Sent {
    /// Counts what another message brought.
    pub(crate) const fn add(&mut self, other: Self) {
        self.records += other.records;
        self.octets += other.octets;
        self.rejected += other.rejected;
        self.left_out += other.left_out;
    }
}

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// In a while.
    Backoff,
    /// When the receiver says.
    After(Duration),
    /// It will not get better: what is left of the records is refused.
    Never,
}

/// Why an attempt did not bring everything to the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For the operator; one line without secrets.
    pub(crate) message: String,
    /// What to do.
    pub(crate) retry: Retry,
    /// What was brought anyway.
    pub(crate) sent: Sent,
}

impl Failure {
    /// Nothing was brought, and it may get better.
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: Retry::Backoff, sent: Sent::default() }
    }
}

/// A client of one receiver.
pub(crate) trait Receiver: Send {
    /// Gets these records ready, once before the first attempt. `now_ns` is nanoseconds since the epoch.
    fn begin(&mut self, _records: &[FlowRecord], _now_ns: u64) {}

    /// Sends what is left of these records, within `limit`. In a later attempt only what the earlier ones did not bring.
    fn attempt(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> Result<Sent, Failure>;

    /// Called now and then while there are no records.
    fn idle(&mut self) {}
}
