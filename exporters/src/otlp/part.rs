//! Records that are sent in one request of each signal, and their outcome.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use prost::bytes::Bytes;

use crate::config::Signal;
use crate::delivery::{Retry, Sent};
use crate::net::{Refusal, RefusalReason, one_line};
use crate::sink::Notice;

use super::answer::Taken;
use super::client::Client;

/// A request that is yet to be sent.
pub(super) type Request = (Signal, Bytes);

/// Records that are sent together.
pub(super) struct Part {
    /// Which of the records that delivery began with.
    pub(super) of: Range<usize>,
    requests: VecDeque<Request>,
    /// How many of them no signal has brought so far: those that the receiver refused of the signal of which it refused
    /// fewest. It says how many, not which.
    pub(super) missing: usize,
    /// Whether the receiver took a request of it.
    taken: bool,
    /// Signals that the receiver refused as a whole and permanently, and why.
    refused: Vec<(Signal, String)>,
}

impl Part {
    pub(super) fn new(of: Range<usize>, requests: VecDeque<Request>) -> Self {
        Self { missing: of.len(), of, requests, taken: false, refused: Vec::new() }
    }

    /// Sends what is left, and adds to `sent` the records that it brings: a record counts as exported as soon as one signal
    /// has brought it. What the receiver has an answer for is not sent again. The error is of what may pass, or that the
    /// part is to be sent in halves.
    pub(super) fn send(
        &mut self,
        client: &mut Client,
        end: Instant,
        sent: &mut Sent,
        notice: &mut Notice,
    ) -> Result<(), Refusal> {
        let mut denied = VecDeque::new();
        while let Some((signal, octets)) = self.requests.pop_front() {
            match client.send(signal, &octets, end.saturating_duration_since(Instant::now())) {
                Ok(taken) => {
                    sent.add(self.answered(&taken, octets.len()));
                    warn(&taken, notice);
                }
                Err(refusal) if refusal.why == RefusalReason::Denied => denied.push_back(((signal, octets), refusal)),
                Err(refusal) if refusal.why == RefusalReason::TooLarge && self.can_be_halved() => return Err(refusal),
                Err(refusal) if refusal.failure.retry == Retry::Never => {
                    self.refused.push((signal, refusal.failure.message));
                }
                Err(refusal) => {
                    self.requests.push_front((signal, octets));
                    self.requests.extend(denied.into_iter().map(|(request, _)| request));
                    return Err(refusal);
                }
            }
        }
        self.settle(denied)
    }

    /// A receiver that takes one signal and denies another one has no place for that; where it denies all of them, it may
    /// let them in later.
    fn settle(&mut self, mut denied: VecDeque<(Request, Refusal)>) -> Result<(), Refusal> {
        if self.taken {
            self.refused.extend(denied.into_iter().map(|((signal, _), refusal)| (signal, refusal.failure.message)));
            return Ok(());
        }
        let Some((first, refusal)) = denied.pop_front() else { return Ok(()) };
        self.requests.push_back(first);
        self.requests.extend(denied.into_iter().map(|(request, _)| request));
        Err(refusal)
    }

    fn answered(&mut self, taken: &Taken, octets: usize) -> Sent {
        let missing = self.missing.min(taken.rejected);
        let records = self.missing - missing;
        (self.missing, self.taken) = (missing, true);
        Sent { records, octets, ..Sent::default() }
    }

    /// What one signal has brought is not sent again for another one's sake.
    fn can_be_halved(&self) -> bool {
        !self.taken && self.of.len() > 1
    }

    /// Why the receiver refused all of it permanently, if it did.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refused.first().filter(|_| !self.taken).map(|(_, message)| message.as_str())
    }

    /// Signals that the receiver refused, and why, where it has the records by another one.
    pub(super) fn half_refusals(&self) -> impl Iterator<Item = &(Signal, String)> {
        self.refused.iter().filter(|_| self.taken)
    }
}

fn warn(Taken { rejected, message }: &Taken, notice: &mut Notice) {
    let message = one_line(message);
    match (*rejected, message.is_empty()) {
        (0, true) => {}
        (0, false) => notice.failed(&message, "the receiver accepted everything with a warning"),
        (n, _) => notice.failed(&format!("the receiver refused {n} records: {message}"), "the others were accepted"),
    }
}
