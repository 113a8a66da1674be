//! Halves requests that are too large.

use std::ops::Range;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::delivery::{Failure, Receiver, Retry, Sent};
use crate::net::{Refusal, RefusalReason};

/// A store that accepts records in requests.
pub(crate) trait Store: Send {
    /// Makes a request from the records, and replaces the last one.
    fn fill(&mut self, records: &[FlowRecord]);

    /// Sends the rest of the request within `limit`. A later attempt sends only what the earlier ones did not deliver.
    fn send(&mut self, records: &[FlowRecord], limit: Duration) -> Result<Sent, Refusal>;
}

/// Sends records to a store, in smaller requests if it reports that one is too large. A single record that is too large
/// counts as refused, and the others are sent.
pub(crate) struct Halving<S> {
    store: S,
    /// The parts not sent yet; the first part is the last element.
    parts: Vec<RecordRange>,
    /// Why the store refused some of these records permanently.
    refused: Option<String>,
}

/// Records of one request.
struct RecordRange {
    of: Range<usize>,
    /// Number of records without an answer.
    left: usize,
    filled: bool,
}

impl RecordRange {
    fn new(of: Range<usize>) -> Self {
        Self { left: of.len(), of, filled: false }
    }

    /// A part can be halved only if none of its records has an answer, because those would be sent again.
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
    /// Sends the part. Records that need not be sent again are counted in `sent`; the error is a temporary failure.
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
