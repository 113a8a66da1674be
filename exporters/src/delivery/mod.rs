//! Delivery to receivers that say what they took: one way to repeat, to give up and to count for all of them.

mod backoff;
mod receiver;

use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::DeliveryConfig;
use crate::exporter::{Link, Loss};
use crate::transport::{Kept, Sink};

use backoff::Backoff;
pub(crate) use receiver::{Failure, Receiver, Retry, Sent};

/// Brings records to one receiver, in order, repeating until it has taken or refused them.
pub(crate) struct Delivery<R> {
    receiver: R,
    batch_records: usize,
    timeout: Duration,
    /// None: records wait in a spool, so that there is no hurry.
    give_up: Option<Duration>,
    link: Link,
}

impl<R: Receiver> Delivery<R> {
    pub(crate) fn new(receiver: R, config: &DeliveryConfig, link: Link) -> Self {
        let give_up = config.spool.is_none().then_some(config.give_up);
        Self { receiver, batch_records: config.batch_records.max(1), timeout: config.timeout, give_up, link }
    }

    /// Until the receiver has taken or refused the records, they are given up (counted), or time is up.
    fn deliver(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Stopped> {
        let (give_up, mut backoff) = (self.give_up.map(|t| Instant::now() + t), Backoff::new());
        let mut left = records.len();
        self.receiver.begin(records, now_ns);
        loop {
            let limit = self.link.control.remaining().map_or(self.timeout, |r| r.min(self.timeout));
            let (sent, failure) = match self.receiver.attempt(records, now_ns, limit) {
                Ok(sent) => (sent, None),
                Err(failure) => (failure.sent, Some(failure)),
            };
            left = left.saturating_sub(self.count(sent));
            let Some(failure) = failure else { break self.worked(left) };
            let pause = match failure.retry {
                Retry::Never => break self.refused(&failure.message, left),
                Retry::Backoff => backoff.pause(None),
                Retry::After(asked) => backoff.pause(Some(asked)),
            };
            self.link.failed(&failure.message, "trying again, records wait");
            if give_up.is_some_and(|t| Instant::now() >= t) {
                break self.link.counters.lost(Loss::Unreachable, left);
            }
            if !self.link.control.pause(pause) {
                return Err(Stopped);
            }
            self.link.counters.retry();
        }
        Ok(())
    }

    /// Returns how many records the receiver is done with.
    fn count(&self, sent: Sent) -> usize {
        if sent.octets > 0 {
            self.link.counters.sent(sent.records, sent.octets);
        }
        self.link.counters.lost(Loss::Rejected, sent.rejected);
        sent.records + sent.rejected + sent.left_out
    }

    /// A receiver that took everything has an answer for each record; what it has none for was refused.
    fn worked(&mut self, left: usize) {
        self.link.counters.lost(Loss::Rejected, left);
        self.link.notice.worked();
    }

    fn refused(&mut self, message: &str, left: usize) {
        self.link.failed(&message, "the receiver refused records for good, they are lost");
        self.link.counters.lost(Loss::Rejected, left);
    }
}

/// Time was up before the records were delivered.
struct Stopped;

impl<R: Receiver> Sink for Delivery<R> {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Kept> {
        let mut done = 0;
        for part in records.chunks(self.batch_records) {
            self.deliver(part, now_ns).map_err(|Stopped| Kept { from: done })?;
            done += part.len();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.receiver.idle();
    }
}

#[cfg(test)]
mod tests;
