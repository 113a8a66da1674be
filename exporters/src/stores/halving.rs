//! What is too large for one request is sent in halves.

use std::ops::Range;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::delivery::{Failure, Receiver, Retry, Sent};
use crate::net::{Refusal, RefusalReason};

/// A store that takes records in requests.
pub(crate) trait Store: Send {
    /// Makes a request of the records, in place of the last one.
    fn fill(&mut self, records: &[FlowRecord]);

    /// Sends what is left of the request, within `limit`. In a later attempt only what the earlier ones did not bring.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal>;
}

/// Sends records to a store, fewer at once where it says that there are too many. A single one that is too large is
/// refused, and the others go on.
pub(crate) struct Halving<S> {
    store: S,
    /// What is yet to be sent, the first part at the end.
    parts: Vec<RecordRange>,
    /// Why the store refused some of these records permanently.
    refused: Option<String>,
}

/// Records of one request.
struct RecordRange {
    of: Range<usize>,
    /// How many of them have no answer yet.
    left: usize,
    filled: bool,
}

impl RecordRange {
    fn new(of: Range<usize>) -> Self {
        Self { left: of.len(), of, filled: false }
    }

    /// What has an answer is not sent again.
    fn can_be_halved(&self) -> bool {
        self.left == self.of.len() && self.left > 1
    }

    fn answered(&mut self, sent: Sent) {
        self.left = self.left.saturating_sub(sent.records + sent.rejected + sent.left_out);
    }
}

impl<S> Halving<S> {
    pub(crate) const fn new(store: S) -> Self {
        Self { store, parts: Vec::new(), refused: None }
    }

    fn halve(&mut self, Range { start, end }: Range<usize>) {
        let middle = start + (end - start) / 2;
        self.parts.extend([middle..end, start..middle].map(RecordRange::new));
    }
}

impl<S: Store> Halving<S> {
    /// Sends the part. What is not to be sent again has an answer in `sent` then; the error is what may pass.
    fn send(
        &mut self,
        mut part: RecordRange,
        records: &[FlowRecord],
        end: Instant,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let of_part = records.get(part.of.clone()).unwrap_or_default();
        if !std::mem::replace(&mut part.filled, true) {
            self.store.fill(of_part);
        }
        let (why, failure) = match self.store.send(of_part, end.saturating_duration_since(Instant::now())) {
            Ok(taken) => {
                part.answered(taken);
                sent.add(Sent { rejected: taken.rejected + part.left, ..taken });
                return Ok(());
            }
            Err(Refusal { why, failure }) => (why, failure),
        };
        part.answered(failure.sent);
        sent.add(failure.sent);
        match failure.retry {
            _ if why == RefusalReason::TooLarge && part.can_be_halved() => self.halve(part.of),
            Retry::Never => {
                sent.rejected += part.left;
                self.refused = Some(failure.message);
            }
            Retry::Backoff | Retry::After(_) => {
                self.parts.push(part);
                return Err(failure);
            }
        }
        Ok(())
    }
}

impl<S: Store> Receiver for Halving<S> {
    fn begin(&mut self, records: &[FlowRecord], _now_ns: u64) {
        self.parts = vec![RecordRange::new(0..records.len())];
        self.refused = None;
    }

    fn attempt(&mut self, records: &[FlowRecord], _now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        let (end, mut sent) = (Instant::now() + limit, Sent::default());
        while let Some(part) = self.parts.pop() {
            if let Err(failure) = self.send(part, records, end, &mut sent) {
                return Err(Failure { sent, ..failure });
            }
        }
        match self.refused.take() {
            Some(message) => Err(Failure { retry: Retry::Never, sent, ..Failure::passing(message) }),
            None => Ok(sent),
        }
    }
}
