//! Files that others move, delete or cut short while they are written, as logrotate does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

#[path = "common/decode.rs"]
mod decode;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use decode::Decoder;
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, Reloaded, Snapshot, sample};

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// What makes an exporter, and what counts the records in its files.
type WorkAndCount = (fn() -> Work, fn(&Path) -> usize);

const KINDS: [WorkAndCount; 2] = [(Work::json, objects), (Work::ipfix, ipfix_records)];

/// An exporter to `flows` in a folder of its own.
struct Work {
    dir: tempfile::TempDir,
    config: ExporterConfig,
    set: ExporterSet,
}

impl Work {
    /// `table` with FILE for the file's path.
    fn new(table: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        let path = dir.path().join("log/flows");
        let table = table.replace("FILE", path.to_str().unwrap());
        let config = ExporterConfig::from_table(table.parse().unwrap()).unwrap();
        let set = ExporterSet::start(std::slice::from_ref(&config), &ExportContext::default()).unwrap();
        Self { dir, config, set }
    }

    fn json() -> Self {
        Self::new("kind = \"json\"\nfile = \"FILE\"")
    }

    fn ipfix() -> Self {
        Self::new("kind = \"ipfix\"\nurl = \"file:FILE\"")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("log/flows")
    }

    fn moved(&self) -> PathBuf {
        self.dir.path().join("log/flows.1")
    }

    /// Sends the records, and waits until something is known of them.
    fn send(&self, records: usize) {
        let before = self.figures();
        self.set.send(&Arc::from(sample::records(records)));
        wait_until(|| self.figures().exported + self.figures().lost_total() == fate(&before) + records as u64);
    }

    fn figures(&self) -> Snapshot {
        self.set.counters().remove(0)
    }
}

fn fate(s: &Snapshot) -> u64 {
    s.exported + s.lost_total()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + TEST_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "it never comes to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many lines, each of which is an object.
fn objects(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).unwrap().is_object()).count()
}

/// How many records, of a session that begins with this file: templates before records, and numbers from 0.
fn ipfix_records(path: &Path) -> usize {
    let (octets, mut decoder, mut records) = (fs::read(path).unwrap(), Decoder::default(), 0);
    let mut rest = octets.as_slice();
    while !rest.is_empty() {
        let (message, behind) = rest.split_at(usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        let message = decoder.message(message);
        assert_eq!(message.header[8..12], (records as u32).to_be_bytes(), "the sequence number");
        records += message.records.len();
        rest = behind;
    }
    records
}

#[test]
fn a_moved_file_is_left_for_a_new_one() {
    for (work, count) in KINDS {
        let work = work();
        work.send(10);
        fs::rename(work.path(), work.moved()).unwrap();
        work.send(5);
        assert_eq!((count(&work.moved()), count(&work.path())), (10, 5));
        fs::remove_file(work.path()).unwrap();
        work.send(7);
        assert_eq!((count(&work.path()), work.figures().exported), (7, 22));
    }
}

#[test]
fn the_file_that_logrotate_makes_is_taken_and_keeps_its_mode() {
    let work = Work::json();
    work.send(10);
    fs::rename(work.path(), work.moved()).unwrap();
    fs::write(work.path(), "").unwrap();
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o644)).unwrap();
    work.send(5);
    assert_eq!((objects(&work.moved()), objects(&work.path())), (10, 5));
    assert_eq!(work.path().metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_file_that_is_cut_short_begins_again() {
    for (work, count) in KINDS {
        let work = work();
        work.send(10);
        fs::copy(work.path(), work.moved()).unwrap();
        fs::File::options().write(true).open(work.path()).unwrap().set_len(0).unwrap();
        work.send(5);
        assert_eq!((count(&work.moved()), count(&work.path())), (10, 5));
    }
}

/// Also where nothing is written, and so when logrotate's `postrotate` sends SIGHUP.
#[test]
fn the_name_is_there_again_soon() {
    for work in [Work::json(), Work::ipfix()] {
        fs::rename(work.path(), work.moved()).unwrap();
        let reloaded = work.set.reload(std::slice::from_ref(&work.config), &ExportContext::default()).unwrap();
        assert_eq!(reloaded, Reloaded { kept: 1, started: 0, stopped: 0 });
        wait_until(|| work.path().exists());
    }
}

#[test]
fn records_written_to_a_deleted_file_are_lost_and_not_exported() {
    for work in [Work::json(), Work::ipfix()] {
        let log = work.dir.path().join("log");
        work.send(10);
        fs::remove_dir_all(&log).unwrap();
        work.send(5);
        let s = work.figures();
        assert_eq!((s.exported, s.lost[Loss::WriteFailed as usize].1), (10, 5), "{s:?}");
        fs::create_dir(&log).unwrap();
        work.send(7);
        assert_eq!((work.figures().exported, work.path().exists()), (17, true));
    }
}

/// A link to itself bears the name, and the file that was moved is still there.
#[test]
fn a_moved_file_is_written_for_as_long_as_there_is_no_other() {
    let work = Work::json();
    work.send(10);
    fs::hard_link(work.path(), work.moved()).unwrap();
    let link = work.dir.path().join("link");
    std::os::unix::fs::symlink(work.path(), &link).unwrap();
    fs::rename(&link, work.path()).unwrap();
    work.send(5);
    assert_eq!((objects(&work.moved()), work.figures().exported), (15, 15));
    fs::remove_file(work.path()).unwrap();
    work.send(7);
    assert_eq!((objects(&work.moved()), objects(&work.path())), (15, 7));
}

#[test]
fn compressed_files_are_followed_too() {
    let work = Work::new("kind = \"json\"\nfile = \"FILE\"\ncompression = \"gzip\"");
    work.send(10);
    fs::rename(work.path(), work.moved()).unwrap();
    work.send(5);
    let lines = |path: &Path| {
        let file = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
        std::io::read_to_string(file).unwrap().lines().count()
    };
    assert_eq!((lines(&work.moved()), lines(&work.path())), (10, 5));
}
