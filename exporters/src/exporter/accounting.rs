//! Whatever receivers do, and whenever exporters are stopped: every accepted record is exported, lost or in the spool.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use super::queue::{Batch, Limits, Queue};
use super::worker::{Source, Worker};
use super::{Control, Counters, Link, Loss, Mode, Snapshot};
use crate::config::{DeliveryConfig, SpoolConfig};
use crate::delivery::{Delivery, Failure, Receiver, Retry, Sent};
use crate::sample;
use crate::spool::Spool;

const RECORDS: usize = 60;
const LIMITS: Limits = Limits { records: RECORDS, bytes: 1 << 30 };

/// Accepts, refuses and leaves out random parts of the remaining records; stops the exporter in the middle of an
/// attempt.
struct FlakySink {
    chance: u64,
    left: usize,
    attempts_to_stop: u64,
    counters: Arc<Counters>,
    control: Arc<Control>,
}

impl FlakySink {
    /// A number below `limit`.
    fn draw(&mut self, limit: usize) -> usize {
        // Marsaglia, "Xorshift RNGs", 2003.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance % limit.max(1) as u64) as usize
    }

    /// Some of the remaining records.
    fn some(&mut self) -> usize {
        let some = self.draw(self.left + 1);
        self.left -= some;
        some
    }
}

impl Receiver for FlakySink {
    fn begin(&mut self, records: &[FlowRecord], _: u64) {
        self.left = records.len();
    }

    fn attempt(&mut self, _: &[FlowRecord], _: u64, _: Duration) -> Result<Sent, Failure> {
        if self.attempts_to_stop == 0 {
            self.control.stop_by(Instant::now());
        }
        self.attempts_to_stop = self.attempts_to_stop.saturating_sub(1);
        let (records, rejected, left_out) = (self.some(), self.some() / 2, self.some() / 3);
        self.counters.lost(Loss::TooLarge, left_out);
        let sent = Sent { records, octets: 1, rejected, left_out };
        match self.draw(4) {
            0 => Ok(sent),
            1 => Err(Failure { sent, retry: Retry::Never, ..Failure::passing("no") }),
            _ => Err(Failure { sent, ..Failure::passing("later") }),
        }
    }
}

/// The outcome of all records, for this seed of the random choices.
fn run(seed: u64, spool: Option<SpoolConfig>) -> Snapshot {
    let (counters, control, queue) = (Arc::new(Counters::default()), Arc::default(), Arc::new(Queue::new(LIMITS)));
    let opened = spool.as_ref().map(|s| Arc::new(Spool::open(s).unwrap().0));
    counters.accepted(RECORDS);
    let records = sample::records(RECORDS);
    match &opened {
        Some(spool) => {
            spool.append(&records).1.unwrap();
            spool.close();
        }
        None => _ = queue.push_waiting(&Batch::new(records.into())).unwrap(),
    }
    queue.close();
    let moody = FlakySink {
        chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        left: 0,
        attempts_to_stop: seed % 7,
        counters: counters.clone(),
        control: Arc::clone(&control),
    };
    let config = DeliveryConfig { batch_records: 20, spool, ..DeliveryConfig::default() };
    let link = || Link::new("moody".into(), &counters, &control);
    let mut sink = Delivery::new(moody, &config, link());
    let source = opened.clone().map_or(Source::Queue(queue), Source::Spool);
    Worker::new(source, link(), Mode::Live).run(&mut sink);
    counters.snapshot("moody".into(), opened.map_or(0, |s| s.waiting()))
}

#[test]
fn every_record_is_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    thread::scope(|scope| {
        for seed in 0..100 {
            let spool = SpoolConfig { folder: folder.join(seed.to_string()), max_octets: 1 << 20 };
            scope.spawn(move || {
                for s in [run(seed, None), run(seed, Some(spool))] {
                    assert_eq!(s.accepted, s.exported + s.lost_total() + s.spooled, "{seed}: {s:?}");
                }
            });
        }
    });
}
