//! Records that are sent in one request per signal, and their outcome.

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

/// A request that has not been sent yet.
pub(super) type Request = (Signal, Bytes);

/// Records that are sent together.
pub(super) struct Part {
    /// Range of the records within the delivery.
    pub(super) of: Range<usize>,
    requests: VecDeque<Request>,
    /// How many of them no signal has delivered so far: the smallest number that the receiver refused of any signal. A
    /// receiver tells how many it refused, not which.
    pub(super) missing: usize,
    /// Whether the receiver has accepted a request of this part.
    taken: bool,
    /// Signals that the receiver refused entirely and permanently, and the reasons.
    refused: Vec<(Signal, String)>,
}

impl Part {
    pub(super) fn new(of: Range<usize>, requests: VecDeque<Request>) -> Self {
        Self { missing: of.len(), of, requests, taken: false, refused: Vec::new() }
    }

    /// Sends the remaining requests, and adds the delivered records to `sent`: a record counts as exported as soon as
    /// one signal has delivered it. Requests that the receiver has answered are not sent again. The error is a
    /// temporary failure, or means that the part must be halved.
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

    /// A receiver that accepts one signal and denies another one does not support the other. If it denies all of them,
    /// it may accept them later.
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

    /// A part that one signal has delivered is not halved because of another signal.
    fn can_be_halved(&self) -> bool {
        !self.taken && self.of.len() > 1
    }

    /// Why the receiver refused the whole part permanently, if it did.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refused.first().filter(|_| !self.taken).map(|(_, message)| message.as_str())
    }

    /// Signals that the receiver refused, and the reasons, if another signal has delivered the records.
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
