//! Sinks that panic: the thread continues, the queue is kept, and every record is accounted for.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pidflow_schema::FlowRecord;

use super::*;
use crate::config::SpoolConfig;
use crate::delivery::{Delivery, Failure, Receiver, Sent};
use crate::{JsonKeys, sample};

const SHARE: usize = 1 << 30;
const LIMIT: Duration = Duration::from_secs(20);

/// Delivers records one by one, and panics at every hundredth record.
struct Panicking(Arc<Counters>);

static GOT: AtomicUsize = AtomicUsize::new(0);

impl Sink for Panicking {
    fn export(&mut self, records: &[FlowRecord], _: u64) -> Result<(), crate::sink::Undelivered> {
        for _ in records {
            assert_ne!(GOT.fetch_add(1, Relaxed) % 100, 99, "the hundredth");
            self.0.sent(1, 1);
        }
        Ok(())
    }
}

fn open_panicking(parts: &Parts<'_>) -> Result<Box<dyn Sink>, StartError> {
    Ok(Box::new(Panicking(parts.counters.clone())))
}

fn config() -> ExporterConfig {
    ExporterConfig::json("-", JsonKeys::Names).unwrap()
}

fn send(exporter: &Exporter, records: Vec<FlowRecord>) {
    exporter.send(&Batch::new(records.into()), Mode::Live);
}

/// Waits until the exporter has no records left.
fn settle(exporter: &Exporter) {
    let end = Instant::now() + LIMIT;
    while exporter.snapshot().pending() > 0 {
        assert!(Instant::now() < end, "{:?}", exporter.snapshot());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn failed(name: &str) -> Option<crate::threads::Failed> {
    Threads::of_process().failed().into_iter().find(|f| f.thread == name)
}

#[test]
fn a_thread_that_panics_goes_on_with_its_queue() {
    let exporter = Exporter::start_with(&config(), &ExportContext::default(), SHARE, open_panicking).unwrap();
    for _ in 0..15 {
        send(&exporter, sample::records(10));
    }
    settle(&exporter);
    exporter.stop_by(Instant::now() + LIMIT);
    let end = exporter.finish(Duration::ZERO);
    assert_eq!(end.lost[Loss::Panic as usize].1, 1, "the one that was at hand: {end:?}");
    assert_eq!((end.accepted, end.exported, end.lost_total()), (150, 149, 1), "{end:?}");
    let failed = failed("export json -").unwrap();
    assert!(failed.restarts == 1 && failed.is_working && failed.reason.contains("the hundredth"), "{failed:?}");
}

/// Panics at every record of this flow.
const POISON: u64 = 37;

struct Poisoned;

impl Receiver for Poisoned {
    fn attempt(&mut self, records: &[FlowRecord], _: u64, _: Duration) -> Result<Sent, Failure> {
        let poison = sample::record(POISON).flow.first_ns;
        assert!(records.iter().all(|r| r.flow.first_ns != poison), "poison");
        Ok(Sent { records: records.len(), octets: 1, ..Sent::default() })
    }
}

fn open_poisoned(parts: &Parts<'_>) -> Result<Box<dyn Sink>, StartError> {
    Ok(Box::new(Delivery::new(Poisoned, &parts.config.delivery, parts.link())))
}

#[test]
fn with_a_spool_only_the_record_that_makes_it_panic_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let spool = SpoolConfig { folder: dir.path().into(), max_octets: 16 << 20 };
    let mut config = ExporterConfig::elastic("http://poisoned.invalid").unwrap();
    config.delivery.spool = Some(spool);
    let exporter = Exporter::start_with(&config, &ExportContext::default(), SHARE, open_poisoned).unwrap();
    send(&exporter, sample::records(100));
    let end = Instant::now() + LIMIT;
    while exporter.snapshot().exported < 99 {
        assert!(Instant::now() < end, "{:?}", exporter.snapshot());
        std::thread::sleep(Duration::from_millis(10));
    }
    settle(&exporter);
    exporter.stop_by(Instant::now() + LIMIT);
    let end = exporter.finish(Duration::ZERO);
    assert_eq!(end.lost[Loss::Panic as usize].1, 1, "{end:?}");
    assert_eq!((end.accepted, end.exported, end.spooled), (100, 99, 0), "{end:?}");
}

#[test]
fn records_that_the_filter_leaves_out_are_counted_and_not_accepted() {
    let mut config = config();
    let expression = Expression::parse("protocol == \"udp\"").unwrap();
    let records = sample::records(500);
    let udp = records.iter().filter(|r| r.flow.protocol == 17).count() as u64;
    config.filter = Some(expression.into());
    let open: Open = |parts| Ok(Box::new(Counting(parts.counters.clone())));
    let exporter = Exporter::start_with(&config, &ExportContext::default(), SHARE, open).unwrap();
    send(&exporter, records);
    settle(&exporter);
    exporter.stop_by(Instant::now() + LIMIT);
    let end = exporter.finish(Duration::ZERO);
    assert!(udp > 0 && udp < 500);
    assert_eq!((end.accepted, end.exported, end.filtered), (udp, udp, 500 - udp), "{end:?}");
}

/// Delivers everything.
struct Counting(Arc<Counters>);

impl Sink for Counting {
    fn export(&mut self, records: &[FlowRecord], _: u64) -> Result<(), crate::sink::Undelivered> {
        self.0.sent(records.len(), 1);
        Ok(())
    }
}

/// Panics at the first record.
struct Hopeless;

impl Sink for Hopeless {
    fn export(&mut self, _: &[FlowRecord], _: u64) -> Result<(), crate::sink::Undelivered> {
        panic!("hopeless")
    }
}

#[test]
fn an_exporter_that_always_panics_ends_when_it_is_stopped() {
    let open: Open = |_| Ok(Box::new(Hopeless));
    let mut config = config();
    config.number = 2;
    let exporter = Exporter::start_with(&config, &ExportContext::default(), SHARE, open).unwrap();
    for _ in 0..50 {
        send(&exporter, sample::records(10));
    }
    let begun = Instant::now();
    exporter.stop_by(Instant::now() + Duration::from_millis(300));
    let end = exporter.finish(Duration::from_millis(500));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!((end.accepted, end.lost_total()), (500, 500), "{end:?}");
    assert!(end.lost[Loss::Panic as usize].1 >= 10, "{end:?}");
}

#[test]
fn a_thread_that_hangs_is_abandoned() {
    struct Hanging;
    impl Sink for Hanging {
        fn export(&mut self, _: &[FlowRecord], _: u64) -> Result<(), crate::sink::Undelivered> {
            std::thread::sleep(LIMIT * 10);
            Ok(())
        }
    }
    let mut config = config();
    config.number = 3;
    let open: Open = |_| Ok(Box::new(Hanging));
    let exporter = Exporter::start_with(&config, &ExportContext::default(), SHARE, open).unwrap();
    send(&exporter, sample::records(10));
    // The shutdown would wait for an hour; then a signal arrives.
    exporter.stop_by(Instant::now() + Duration::from_secs(3600));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            exporter.stop_by(Instant::now() + Duration::from_millis(200));
        });
        let end = exporter.finish(Duration::from_millis(100));
        assert_eq!(end.lost[Loss::Shutdown as usize].1, 10, "{end:?}");
    });
    assert!(begun.elapsed() < LIMIT / 2);
}
