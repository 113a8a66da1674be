//! The interface of a receiver's client.

use std::time::Duration;

use pidflow_schema::FlowRecord;

/// The result of one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Records that the receiver accepted.
    pub(crate) records: usize,
    /// Bytes sent; 0: there was no message.
    pub(crate) octets: usize,
    /// Records that the receiver refused permanently.
    pub(crate) rejected: usize,
    /// Records that the encoder left out. The encoder has counted them.
    pub(crate) left_out: usize,
}

impl Sent {
    /// Adds the result of another message.
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
    /// Later, with backoff.
    Backoff,
    /// After the time that the receiver asked for.
    After(Duration),
    /// Never: the remaining records are refused.
    Never,
}

/// Why an attempt did not deliver everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For the operator; one line without secrets.
    pub(crate) message: String,
    /// Whether to retry.
    pub(crate) retry: Retry,
    /// What was delivered nevertheless.
    pub(crate) sent: Sent,
}

impl Failure {
    /// Nothing was delivered, and the failure may be temporary.
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: Retry::Backoff, sent: Sent::default() }
    }
}

/// A client of one receiver.
pub(crate) trait Receiver: Send {
    /// Prepares these records, once before the first attempt. `now_ns` is nanoseconds since the epoch.
    fn begin(&mut self, _records: &[FlowRecord], _now_ns: u64) {}

    /// Sends the remaining records within `limit`. A later attempt sends only what the earlier ones did not deliver.
    fn attempt(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> Result<Sent, Failure>;

    /// Called from time to time while there are no records.
    fn idle(&mut self) {}
}
