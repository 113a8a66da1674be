use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::sample;
use crate::sink::{Control, Counters};

/// A receiver with scripted results.
struct Script(VecDeque<Result<Sent, Failure>>);

impl Receiver for Script {
    fn attempt(&mut self, _: &[FlowRecord], _: u64, _: Duration) -> Result<Sent, Failure> {
        self.0.pop_front().unwrap_or_else(|| Err(Failure::passing("away")))
    }
}

fn sent(records: usize, rejected: usize) -> Sent {
    Sent { records, octets: 100, rejected, left_out: 0 }
}

fn partly(records: usize, retry: Retry) -> Failure {
    Failure { message: "partly".into(), retry, sent: sent(records, 0) }
}

fn run(script: Vec<Result<Sent, Failure>>, config: &DeliveryConfig, stop: Option<Duration>) -> (bool, crate::Snapshot) {
    let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
    if let Some(after) = stop {
        control.stop_by(Instant::now() + after);
    }
    let link = Link::new("test".into(), &counters, &control);
    let mut delivery = Delivery::new(Script(script.into()), config, link);
    let records = sample::records(10);
    counters.accepted(10);
    let done = delivery.export(&records, 0).is_ok();
    (done, counters.snapshot("test".into(), 0))
}

#[test]
fn accepted_records_are_counted_once_over_attempts() {
    let script = vec![Err(Failure::passing("no")), Err(partly(4, Retry::Backoff)), Ok(sent(5, 1))];
    let (done, s) = run(script, &DeliveryConfig::default(), None);
    assert_eq!((done, s.exported, s.lost_total(), s.retries, s.errors, s.messages), (true, 9, 1, 2, 2, 2));
}

#[test]
fn permanent_failures_are_not_repeated() {
    let (done, s) = run(vec![Err(partly(4, Retry::Never))], &DeliveryConfig::default(), None);
    assert_eq!((done, s.exported, s.lost[Loss::Rejected as usize], s.retries), (true, 4, (Loss::Rejected, 6), 0));
}

#[test]
fn a_receiver_that_stays_away_is_given_up() {
    let config = DeliveryConfig { give_up: Duration::ZERO, ..DeliveryConfig::default() };
    let (done, s) = run(vec![], &config, None);
    assert_eq!((done, s.exported, s.lost[Loss::Unreachable as usize]), (true, 0, (Loss::Unreachable, 10)));
}

#[test]
fn records_stay_when_time_is_up() {
    let (done, s) = run(vec![], &DeliveryConfig::default(), Some(Duration::from_millis(50)));
    assert_eq!((done, s.exported, s.lost_total()), (false, 0, 0));
}
