//! Delivery to receivers that confirm what they accepted. Retrying, giving up and counting are the same for all of
//! them.

mod attempts;
mod backoff;
mod receiver;

use pidflow_schema::FlowRecord;

use crate::config::DeliveryConfig;
use crate::sink::{Link, Loss, Parts, Sink, StartError, Undelivered};

pub(crate) use attempts::{Attempts, AttemptsEnd};
pub(crate) use backoff::Backoff;
pub(crate) use receiver::{Failure, Receiver, Retry, Sent};

/// Delivers records to one receiver, in order, and retries until it has accepted or refused them.
pub(crate) struct Delivery<R> {
    receiver: R,
    batch_records: usize,
    /// Records in a spool are not given up.
    attempts: Attempts,
    link: Link,
}

impl<R: Receiver> Delivery<R> {
    pub(crate) fn new(receiver: R, config: &DeliveryConfig, link: Link) -> Self {
        let give_up = config.spool.is_none().then_some(config.give_up);
        let attempts = Attempts { timeout: config.timeout, give_up };
        Self { receiver, batch_records: config.batch_records.max(1), attempts, link }
    }

    /// Runs until the receiver has accepted or refused the records, they are given up (and counted), or time is up.
    fn deliver(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Stopped> {
        let mut tally = Tally::new(records.len());
        self.receiver.begin(records, now_ns);
        let end = self.repeat(records, now_ns, &mut tally);
        let counters = &self.link.counters;
        if matches!(end, AttemptsEnd::Stopped) && self.attempts.give_up.is_none() {
            // All of them stay in the spool and will be delivered again. So none counts as exported, and those that the
            // encoder has counted as lost will be counted again.
            counters.accepted(tally.left_out);
            return Err(Stopped { left: records.len() });
        }
        counters.exported(tally.taken);
        counters.lost(Loss::Rejected, tally.rejected);
        match end {
            AttemptsEnd::Accepted | AttemptsEnd::Refused => counters.lost(Loss::Rejected, tally.left),
            AttemptsEnd::GivenUp => counters.lost(Loss::Unreachable, tally.left),
            AttemptsEnd::Stopped => return Err(Stopped { left: tally.left }),
        }
        Ok(())
    }

    /// If the receiver accepted everything, each record has an answer; a record without an answer was refused.
    fn repeat(&mut self, records: &[FlowRecord], now_ns: u64, tally: &mut Tally) -> AttemptsEnd {
        let receiver = &mut self.receiver;
        self.attempts.run(&mut self.link, |link, limit| {
            let (sent, result) = match receiver.attempt(records, now_ns, limit) {
                Ok(sent) => (sent, Ok(())),
                Err(failure) => (failure.sent, Err(failure)),
            };
            if sent.octets > 0 {
                link.counters.message(sent.octets);
            }
            tally.add(sent);
            result
        })
    }
}

/// Time was up before the records were delivered.
struct Stopped {
    /// Records whose outcome is not known.
    left: usize,
}

/// The outcome of some records over all attempts.
struct Tally {
    taken: usize,
    rejected: usize,
    /// See [`Sent::left_out`].
    left_out: usize,
    /// Records without an outcome so far.
    left: usize,
}

impl Tally {
    const fn new(records: usize) -> Self {
        Self { taken: 0, rejected: 0, left_out: 0, left: records }
    }

    /// Numbers in an answer that exceed what was sent are limited to it.
    fn add(&mut self, sent: Sent) {
        let told =
            [(&mut self.left_out, sent.left_out), (&mut self.taken, sent.records), (&mut self.rejected, sent.rejected)];
        for (sum, records) in told {
            let records = records.min(self.left);
            *sum += records;
            self.left -= records;
        }
    }
}

/// The sink for a receiver that confirms what it accepted. The error describes what is wrong with its configuration.
pub(crate) fn reliable<R: Receiver + 'static>(
    parts: &Parts<'_>,
    receiver: Result<R, String>,
) -> Result<Box<dyn Sink>, StartError> {
    let receiver = receiver.map_err(|reason| parts.error(reason))?;
    Ok(Box::new(Delivery::new(receiver, &parts.config.delivery, parts.link())))
}

impl<R: Receiver> Sink for Delivery<R> {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        let mut from = 0;
        for part in records.chunks(self.batch_records) {
            let after = records.len() - from - part.len();
            self.deliver(part, now_ns).map_err(|Stopped { left }| Undelivered { from, left: left + after })?;
            from += part.len();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.receiver.idle();
        self.link.notice.look();
    }
}

#[cfg(test)]
mod tests;
