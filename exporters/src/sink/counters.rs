//! Counters of the records given to an exporter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a record did not reach its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The exporter's queue was full.
    QueueFull,
    /// The receiver could not be reached, or refused the connection.
    Unreachable,
    /// The file or pipe could not be written.
    WriteFailed,
    /// The receiver accepted the message and refused the record.
    Rejected,
    /// Even the record's fixed part does not fit into a message.
    TooLarge,
    /// The record has none of the template's elements.
    NoElements,
    /// The record was still waiting when the exporter's time was up.
    Shutdown,
    /// There was no subscriber.
    NoSubscriber,
    /// The spool was full, and the record was among the oldest.
    SpoolFull,
    /// An earlier run had accepted the record, and ended before it was in the spool.
    Crash,
    /// The record was in the spool and cannot be read any more.
    Damaged,
    /// Every template number was taken.
    NoTemplate,
    /// The receiver's format cannot represent one of its times.
    TimeOutOfRange,
    /// The exporter's thread panicked while it processed the record.
    Panic,
}

/// All reasons, in the order of [`Snapshot::lost`].
pub const LOSSES: [Loss; 14] = [
    Loss::QueueFull,
    Loss::Unreachable,
    Loss::WriteFailed,
    Loss::Rejected,
    Loss::TooLarge,
    Loss::NoElements,
    Loss::Shutdown,
    Loss::NoSubscriber,
    Loss::SpoolFull,
    Loss::Crash,
    Loss::Damaged,
    Loss::NoTemplate,
    Loss::TimeOutOfRange,
    Loss::Panic,
];

impl Loss {
    /// The name in labels of metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::WriteFailed => "write_failed",
            Self::Rejected => "rejected",
            Self::TooLarge => "too_large",
            Self::NoElements => "no_elements",
            Self::Shutdown => "shutdown",
            Self::NoSubscriber => "no_subscriber",
            Self::SpoolFull => "spool_full",
            Self::Crash => "crash",
            Self::Damaged => "corrupt",
            Self::NoTemplate => "no_template",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::Panic => "panic",
        }
    }
}

/// An exporter's counters at one moment. `accepted` = `exported` + all of `lost` + `spooled` + records still in
/// transit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The exporter: its kind and destination.
    pub exporter: String,
    /// Records given to it, including those that an earlier run left in the spool.
    pub accepted: u64,
    /// Records that its filter left out; not among the accepted ones.
    pub filtered: u64,
    /// Records handed to the network or written.
    pub exported: u64,
    /// Number of messages, requests or writes.
    pub messages: u64,
    /// Bytes of these messages.
    pub octets: u64,
    /// Records whose texts were cut to fit into a message.
    pub shortened: u64,
    /// Attempts that failed, whether or not they were repeated.
    pub errors: u64,
    /// Attempts that repeated a failed one.
    pub retries: u64,
    /// Records that wait in the spool.
    pub spooled: u64,
    /// Records lost, by reason.
    pub lost: [(Loss, u64); LOSSES.len()],
}

impl Snapshot {
    /// Records lost for any reason.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost.iter().map(|(_, n)| n).sum()
    }

    /// Records without an outcome yet: in the queue, or in transit to the receiver or the spool.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.accepted.saturating_sub(self.exported + self.lost_total() + self.spooled)
    }
}

/// Counters shared by an exporter's thread and its readers.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    filtered: AtomicU64,
    exported: AtomicU64,
    messages: AtomicU64,
    octets: AtomicU64,
    shortened: AtomicU64,
    errors: AtomicU64,
    retries: AtomicU64,
    lost: [AtomicU64; LOSSES.len()],
}

impl Counters {
    pub(crate) fn accepted(&self, records: usize) {
        self.accepted.fetch_add(records as u64, Relaxed);
    }

    pub(crate) fn filtered(&self, records: usize) {
        self.filtered.fetch_add(records as u64, Relaxed);
    }

    /// Counts a sent message of `octets` bytes with `records` records.
    pub(crate) fn sent(&self, records: usize, octets: usize) {
        self.exported(records);
        self.message(octets);
    }

    pub(crate) fn exported(&self, records: usize) {
        self.exported.fetch_add(records as u64, Relaxed);
    }

    /// Counts a sent message of `octets` bytes; the outcome of its records is not known yet.
    pub(crate) fn message(&self, octets: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.octets.fetch_add(octets as u64, Relaxed);
    }

    pub(crate) fn shortened(&self, records: u64) {
        self.shortened.fetch_add(records, Relaxed);
    }

    pub(crate) fn error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn lost(&self, why: Loss, records: usize) {
        if let Some(counter) = self.lost.get(why as usize) {
            counter.fetch_add(records as u64, Relaxed);
        }
    }

    /// Records whose outcome the delivering thread has reported.
    pub(crate) fn settled(&self) -> u64 {
        let elsewhere = [Loss::QueueFull, Loss::Shutdown, Loss::SpoolFull, Loss::Crash, Loss::Damaged, Loss::Panic];
        let lost = LOSSES.iter().zip(&self.lost).filter(|(why, _)| !elsewhere.contains(why));
        self.exported.load(Relaxed) + lost.map(|(_, n)| n.load(Relaxed)).sum::<u64>()
    }

    /// Records lost for any reason.
    pub(crate) fn lost_total(&self) -> u64 {
        self.lost.iter().map(|n| n.load(Relaxed)).sum::<u64>()
    }

    pub(crate) fn snapshot(&self, exporter: String, spooled: u64) -> Snapshot {
        let lost = |why: Loss| self.lost.get(why as usize).map_or(0, |n| n.load(Relaxed));
        Snapshot {
            exporter,
            accepted: self.accepted.load(Relaxed),
            filtered: self.filtered.load(Relaxed),
            exported: self.exported.load(Relaxed),
            messages: self.messages.load(Relaxed),
            octets: self.octets.load(Relaxed),
            shortened: self.shortened.load(Relaxed),
            errors: self.errors.load(Relaxed),
            retries: self.retries.load(Relaxed),
            spooled,
            lost: LOSSES.map(|why| (why, lost(why))),
        }
    }
}
