use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::sample;

const NOW: Duration = Duration::ZERO;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> (Spool, Found) {
        self.with(64 << 20)
    }

    fn with(&self, max_octets: u64) -> (Spool, Found) {
        Spool::open(&SpoolConfig { folder: self.0.path().join("spool"), max_octets }).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.0.path().join("spool")).unwrap().map(|e| e.unwrap().path());
        let mut all: Vec<_> = all.filter(|p| p.extension().is_some_and(|e| e == "records")).collect();
        all.sort();
        all
    }
}

fn append(spool: &Spool, records: &[FlowRecord]) -> Appended {
    spool.expect(records.len());
    let (appended, result) = spool.append(records);
    result.unwrap();
    appended
}

/// All records in order, read at most `limit` at a time.
fn drain(spool: &Spool, limit: usize) -> (Vec<FlowRecord>, u64) {
    let (mut all, mut missing) = (Vec::new(), 0);
    while let SpoolRead::Records { records, damaged } = spool.next(limit, NOW) {
        missing += damaged;
        spool.delivered(records.len());
        all.extend(records);
    }
    (all, missing)
}

#[test]
fn records_come_back_in_order_and_once() {
    let (folder, records) = (Folder::new(), sample::records(1000));
    let (spool, found) = folder.open();
    assert_eq!(found, Found::default());
    records.chunks(37).for_each(|part| assert_eq!(append(&spool, part), Appended::default()));
    assert_eq!(spool.waiting(), 1000);
    assert_eq!(drain(&spool, 64), (records, 0));
    assert!(matches!(spool.next(1, NOW), SpoolRead::Empty));
    spool.close();
    assert!(matches!(spool.next(1, NOW), SpoolRead::Closed));
}

#[test]
fn undelivered_records_are_kept_for_the_next_run() {
    let (folder, records) = (Folder::new(), sample::records(300));
    {
        let (spool, _) = folder.open();
        append(&spool, &records);
        let SpoolRead::Records { records, .. } = spool.next(100, NOW) else { panic!("nothing there") };
        spool.delivered(70);
        assert_eq!(records.len(), 100);
    }
    let (spool, found) = folder.open();
    assert_eq!(found, Found { waiting: 230, lost: 0 });
    append(&spool, &records[..5]);
    let (all, _) = drain(&spool, 64);
    assert_eq!((&all[..230], &all[230..]), (&records[70..], &records[..5]));
}

#[test]
fn a_torn_record_costs_itself_and_those_that_never_came_are_counted() {
    let (folder, records) = (Folder::new(), sample::records(100));
    {
        let (spool, _) = folder.open();
        append(&spool, &records);
        spool.expect(7);
        spool.note();
    }
    let path = folder.segments().remove(0);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let (spool, found) = folder.open();
    assert_eq!(found, Found { waiting: 99, lost: 8 });
    assert_eq!(append(&spool, &records[..3]), Appended::default());
    let (all, missing) = drain(&spool, 1000);
    assert_eq!((all.len(), missing, &all[..99]), (102, 0, &records[..99]));
}

#[test]
fn a_full_spool_gives_up_the_oldest() {
    let (folder, records) = (Folder::new(), sample::records(500));
    let (spool, _) = folder.with(1 << 20);
    let on_disk = || folder.segments().iter().map(|p| p.metadata().unwrap().len()).sum::<u64>();
    append(&spool, &records);
    let batch = on_disk();
    let mut dropped = 0;
    for _ in 1..40 {
        dropped += append(&spool, &records).dropped as u64;
    }
    assert!(dropped > 0);
    assert_eq!(spool.waiting() + dropped, 20_000);
    // Old records are dropped before a batch is written.
    assert!(on_disk() <= (1 << 20) + batch, "{} {batch}", on_disk());
    let (all, missing) = drain(&spool, 512);
    assert_eq!((all.len() as u64, missing), (20_000 - dropped, 0));
    assert_eq!(all[all.len() - 500..], records);
}

#[test]
fn records_given_up_while_they_are_delivered_are_not_counted_twice() {
    let (folder, records) = (Folder::new(), sample::records(500));
    let (spool, _) = folder.with(1 << 20);
    append(&spool, &records);
    let SpoolRead::Records { records: at_hand, .. } = spool.next(100, NOW) else { panic!("nothing there") };
    let dropped: usize = (0..40).map(|_| append(&spool, &records).dropped).sum();
    let (brought, left) = (60, at_hand.len() - 60);
    assert_eq!(spool.delivered(brought), left);
    assert_eq!(spool.waiting() as usize + dropped + brought + left, 41 * 500);
}

#[test]
fn delivered_segments_are_removed() {
    let (folder, records) = (Folder::new(), sample::records(500));
    let (spool, _) = folder.with(1 << 20);
    for _ in 0..100 {
        append(&spool, &records);
        drain(&spool, 512);
    }
    assert!(folder.segments().len() <= 2, "{:?}", folder.segments());
}

#[test]
fn a_folder_has_one_user_and_what_it_does_not_know_is_left_alone() {
    let folder = Folder::new();
    let (_spool, _) = folder.open();
    let config = SpoolConfig { folder: folder.0.path().join("spool"), max_octets: 1 << 20 };
    let error = Spool::open(&config).err().unwrap().to_string();
    assert!(error.ends_with("is in use by another exporter; give each its own folder"), "{error}");
    drop(_spool);
    fs::write(config.folder.join("00000000000000000007.records"), b"something else entirely").unwrap();
    assert_eq!(Spool::open(&config).unwrap().1, Found::default());
}

#[test]
fn segments_of_another_version_stay_what_they_are() {
    let (folder, records) = (Folder::new(), sample::records(20));
    drop(folder.open());
    let older = folder.0.path().join("spool").join("00000000000000000000.records");
    fs::write(&older, b"records of an older version").unwrap();
    for part in records.chunks(10) {
        append(&folder.open().0, part);
    }
    assert_eq!(fs::read(&older).unwrap(), b"records of an older version");
    assert_eq!(drain(&folder.open().0, 64), (records, 0));
}

#[test]
fn nothing_waits_for_the_disk_longer_than_a_second() {
    let (folder, records) = (Folder::new(), sample::records(20));
    let (spool, _) = folder.with(1 << 20);
    assert_eq!(spool.sync_due(), None);
    append(&spool, &records);
    let due = spool.sync_due().expect("what was written is not on the disk yet");
    assert!(due <= SYNC_PERIOD);
    thread::sleep(due);
    spool.sync_if_due().unwrap();
    assert_eq!(spool.sync_due(), None);
    // A deleted file changes the folder, even if nothing more is written.
    (0..20).for_each(|_| _ = append(&spool, &sample::records(500)));
    spool.lock().sync().unwrap();
    drain(&spool, 512);
    assert!(spool.sync_due().is_some());
}

#[test]
fn records_that_will_not_come_are_not_missed() {
    let (folder, records) = (Folder::new(), sample::records(20));
    {
        let (spool, _) = folder.open();
        spool.expect(50);
        spool.expect_less(30);
        spool.append(&records).1.unwrap();
        spool.note();
    }
    assert_eq!(folder.open().1, Found { waiting: 20, lost: 0 });
}

/// The disk hangs while segments or notes are written.
#[test]
fn handing_over_records_does_not_wait_for_the_disk() {
    let (folder, records) = (Folder::new(), sample::records(20));
    let (spool, _) = folder.open();
    append(&spool, &records);
    let (segments, notes) = (spool.lock(), spool.state.hang());
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            spool.expect(5);
            spool.expect_less(5);
            spool.waiting()
        });
        let end = Instant::now() + Duration::from_secs(5);
        while !asked.is_finished() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(asked.is_finished());
        drop((segments, notes));
        assert_eq!(asked.join().unwrap(), 20);
    });
}

#[test]
fn expected_records_are_noted_at_once() {
    let folder = Folder::new();
    {
        let (spool, _) = folder.open();
        thread::scope(|scope| {
            scope.spawn(|| spool.keep_notes());
            thread::sleep(Duration::from_millis(50));
            spool.expect(7);
            thread::sleep(Duration::from_millis(300));
            assert_eq!(spool.state.read().accepted, 7);
            spool.expect_less(7);
            spool.close();
        });
    }
    assert_eq!(folder.open().1, Found::default());
}
