//! What the history counts.

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HistoryCounts {
    /// Its name in metrics and messages: `history:FOLDER`.
    pub(crate) name: String,
    /// Records that are in files.
    pub(crate) written: u64,
    /// Records that wait to be written.
    pub(crate) waiting: u64,
    /// Records lost because the queue was full.
    pub(crate) queue_full: u64,
    /// Records lost because they could not be written.
    pub(crate) write_failed: u64,
}

impl HistoryCounts {
    /// Records lost, by reason.
    pub(crate) fn lost(&self) -> Vec<(String, u64)> {
        let reasons = [("queue-full", self.queue_full), ("write-failed", self.write_failed)];
        reasons.into_iter().filter(|(_, n)| *n > 0).map(|(reason, n)| (reason.to_owned(), n)).collect()
    }
}
