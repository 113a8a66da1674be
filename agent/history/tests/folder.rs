//! What happens to the folder: kills, limits, a full disk, damaged files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step ends the test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pidflow_exporters::sample;
use pidflow_history::{Limits, Reader, Retention, Selected, Writer};
use pidflow_schema::FlowRecord;

const KEEP: Retention = Retention { max_age: None, max_bytes: u64::MAX };
const NOW_NS: u64 = 1_800_000_000_000_000_000;
const HOUR_NS: u64 = 3_600_000_000_000;

fn limits() -> Limits {
    Limits { deadline: Instant::now() + Duration::from_secs(60), entries: usize::MAX }
}

/// All records, the earliest first, and the lines about files that could not be read.
fn read(folder: &Path) -> (Vec<FlowRecord>, Vec<String>) {
    let answer = Reader::new(folder).unwrap().records(&Selected::default(), None, limits()).unwrap();
    (answer.entries.into_iter().rev().map(|(_, record)| record).collect(), answer.skipped)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes records with the packets 1, 2, … and reports how many are safe. It runs in a process of its own, which is killed.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os("PIDFLOW_TEST_HISTORY") else { return };
    let mut writer = Writer::new(&PathBuf::from(folder), KEEP).unwrap();
    let mut safe = 0;
    for n in 0.. {
        let batch: Vec<FlowRecord> = (0..50).map(|i| numbered(n * 50 + i)).collect();
        // Some kills come while a file is finished and another begun.
        let now_ns = NOW_NS + n / 7 * HOUR_NS;
        writer.add(&batch, now_ns);
        let committed = writer.commit(now_ns);
        assert_eq!(committed.lost, 0, "{committed:?}");
        safe += committed.records;
        println!("SAFE {safe}");
        std::io::stdout().flush().unwrap();
    }
}

fn numbered(n: u64) -> FlowRecord {
    let mut record = sample::record(n);
    record.flow.forward.packets = n + 1;
    record
}

#[test]
fn what_was_committed_survives_a_kill_at_any_moment() {
    for round in 0..50_u32 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_is_killed", "--nocapture"])
            .env("PIDFLOW_TEST_HISTORY", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut safe =
            || lines.find_map(|line| line.split_once("SAFE ").map(|(_, n)| n.trim().parse::<usize>().unwrap()));
        let mut acknowledged = 0;
        for _ in 0..=round % 11 {
            acknowledged = safe().unwrap();
        }
        // At a different place of its work each time.
        std::thread::sleep(Duration::from_micros(u64::from(round) * 311 % 5000));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = std::iter::from_fn(safe).last().unwrap_or(acknowledged);
        let (records, skipped) = read(folder.path());
        assert_eq!(skipped, [""; 0], "round {round}");
        assert!(records.len() >= acknowledged, "round {round}: {} of {acknowledged}", records.len());
        let order: Vec<u64> = records.iter().map(|r| r.flow.forward.packets).collect();
        assert_eq!(order, (1..=records.len() as u64).collect::<Vec<_>>(), "round {round}");
        // The next run continues in the same files.
        let mut writer = Writer::new(folder.path(), KEEP).unwrap();
        writer.add(&[numbered(0)], NOW_NS);
        assert_eq!(writer.commit(NOW_NS).records, 1);
        assert_eq!(read(folder.path()).0.len(), records.len() + 1);
    }
}

/// The agent may be killed while it finishes a file: what was written of that is undone by the next reader.
#[test]
fn a_change_that_was_not_completed_is_undone_by_a_reader() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut writer = Writer::new(folder.path(), KEEP).unwrap();
    let records: Vec<FlowRecord> = (0..5000).map(numbered).collect();
    writer.add(&records, NOW_NS);
    assert_eq!(writer.commit(NOW_NS).records, 5000);
    drop(writer);
    let name = files(folder.path()).into_iter().find(|name| !name.contains("-wal") && !name.contains("-shm")).unwrap();
    let connection = rusqlite::Connection::open(folder.path().join(&name)).unwrap();
    connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
    // With so few pages in memory, changed ones go to the file before the commit.
    connection.execute_batch("PRAGMA cache_size = 5; BEGIN; UPDATE flows SET packets = 0, bytes = 0;").unwrap();
    for name in [name.clone(), format!("{name}-journal")] {
        fs::copy(folder.path().join(&name), killed.path().join(&name)).unwrap();
    }
    let (found, skipped) = read(killed.path());
    assert_eq!((found.len(), skipped), (5000, Vec::new()));
    assert!(found.iter().all(|record| record.flow.forward.packets > 0));
    assert_eq!(files(killed.path()), [name]);
}

#[test]
fn files_and_folder_are_the_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/history");
    let mut writer = Writer::new(&folder, KEEP).unwrap();
    writer.add(&sample::records(10), NOW_NS);
    writer.commit(NOW_NS);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let names = files(&folder);
    assert!(names.len() > 1, "{names:?}");
    names.iter().for_each(|name| assert_eq!(mode(&folder.join(name)), 0o600, "{name}"));
}

#[test]
fn old_files_are_removed_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let day = Retention { max_age: Some(Duration::from_secs(3 * 3600)), ..KEEP };
    let mut writer = Writer::new(folder.path(), day).unwrap();
    for hour in 0..6 {
        writer.add(&sample::records(5), NOW_NS + hour * HOUR_NS);
        writer.commit(NOW_NS + hour * HOUR_NS);
    }
    drop(writer);
    // That of hour 1 ended exactly three hours before the last write.
    assert_eq!(read(folder.path()).0.len(), 5 * 5, "{:?}", files(folder.path()));
}

#[test]
fn the_folder_stays_within_its_size_also_within_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let small = Retention { max_age: None, max_bytes: 2_000_000 };
    let mut writer = Writer::new(folder.path(), small).unwrap();
    let mut written = 0_u64;
    for n in 0..50 {
        let batch: Vec<FlowRecord> = (0..200).map(|i| numbered(n * 200 + i)).collect();
        writer.add(&batch, NOW_NS);
        written += writer.commit(NOW_NS).records;
        let size: u64 =
            files(folder.path()).iter().map(|name| folder.path().join(name).metadata().unwrap().len()).sum();
        assert!(size < 2_000_000 + 1_200_000, "{size}");
    }
    drop(writer);
    let (records, skipped) = read(folder.path());
    assert_eq!(skipped, [""; 0]);
    let kept: Vec<u64> = records.iter().map(|r| r.flow.forward.packets).collect();
    assert!(kept.len() > 400 && (kept.len() as u64) < written, "{} of {written}", kept.len());
    // Those that are kept are the latest.
    assert_eq!(kept, (written - kept.len() as u64 + 1..=written).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_costs_the_newest_records_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(folder.path()).status();
    if !mount.is_ok_and(|status| status.success()) {
        pidflow_skip::skip("a_full_disk_costs_the_newest_records_and_recovers", "cannot mount a tmpfs");
        return;
    }
    let done = std::panic::catch_unwind(|| fill(folder.path()));
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    done.unwrap();
}

fn fill(folder: &Path) {
    let mut writer = Writer::new(folder, KEEP).unwrap();
    let (mut safe, mut lost) = (0, 0);
    let mut write = |from: u64| {
        writer.add(&(0..100).map(|i| numbered(from + i)).collect::<Vec<_>>(), NOW_NS);
        let committed = writer.commit(NOW_NS);
        if let Some(error) = &committed.error {
            assert!(error.is_full(), "{error}");
            assert_eq!(committed.records + committed.lost, 100);
        }
        safe += committed.records;
        lost += committed.lost;
        (safe, lost)
    };
    let blocked = folder.join("other");
    let mut n = 0;
    let (before, _) = loop {
        let (safe, lost) = write(n);
        n += 100;
        match n {
            // Another file takes the rest of the disk.
            1000 => fs::write(&blocked, vec![0; 16 << 20]).unwrap_err().raw_os_error().map_or((), drop),
            _ if n > 20_000 => panic!("the disk is never full"),
            _ if lost > 300 => break (safe, lost),
            _ => {}
        }
    };
    fs::remove_file(&blocked).unwrap();
    let (after, _) = write(n);
    assert_eq!(after, before + 100, "it recovers");
    let (records, skipped) = read(folder);
    assert_eq!(skipped, [""; 0]);
    assert_eq!(records.len() as u64, after);
    assert_eq!(records.last().unwrap().flow.forward.packets, n + 100);
}

#[test]
fn a_damaged_file_is_set_aside_and_named() {
    for damage in [
        &b"not a database at all, but longer than a header of SQLite, which has one hundred bytes ........"[..],
        b"SQLite format 3\0garbage",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path(), KEEP).unwrap();
        writer.add(&sample::records(5), NOW_NS);
        assert_eq!(writer.commit(NOW_NS).records, 5);
        drop(writer);
        let name = files(folder.path()).remove(0);
        fs::write(folder.path().join(&name), damage.repeat(100)).unwrap();
        let (records, skipped) = read(folder.path());
        assert!(records.is_empty() && skipped.len() == 1 && skipped.concat().contains(&name), "{skipped:?}");
        let mut writer = Writer::new(folder.path(), KEEP).unwrap();
        writer.add(&sample::records(7), NOW_NS);
        let committed = writer.commit(NOW_NS);
        assert_eq!((committed.records, committed.lost), (0, 7), "{committed:?}");
        let aside = committed.set_aside.unwrap();
        assert!(aside.to_str().unwrap().ends_with(&format!("{name}.damaged-1")), "{aside:?}");
        writer.add(&sample::records(3), NOW_NS);
        assert_eq!(writer.commit(NOW_NS).records, 3);
        assert_eq!(read(folder.path()).0.len(), 3);
        assert!(aside.exists());
    }
}

#[test]
fn a_damaged_file_costs_the_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), KEEP).unwrap();
    for hour in 0..3 {
        writer.add(&sample::records(100), NOW_NS + hour * HOUR_NS);
        writer.commit(NOW_NS + hour * HOUR_NS);
    }
    drop(writer);
    let name = files(folder.path()).remove(1);
    let mut bytes = fs::read(folder.path().join(&name)).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xa5);
    fs::write(folder.path().join(&name), bytes).unwrap();
    let (records, skipped) = read(folder.path());
    assert_eq!((records.len(), skipped.len()), (200, 1), "{skipped:?}");
    assert!(skipped.concat().contains(&name), "{skipped:?}");
}
