//! Parquet files: what is in them, when they are complete, and what is left of a process that is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, Mode, Snapshot, Template, sample};
use pidflow_schema::{DataType, Enterprise, FlowRecord, by_name};
use serde_json::{Map, Value};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const HOUR_NS: u64 = 3_600_000_000_000;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR_NS: u64 = 1_767_225_600_000_000_000;
/// Says to the process that the test of killing starts which folder it writes.
const CHILD: &str = "PIDFLOW_TEST_PARQUET_CHILD";

fn config(folder: &Path, rest: &str) -> ExporterConfig {
    let table = format!("kind = \"parquet\"\nfolder = \"{}\"\n{rest}", folder.display());
    ExporterConfig::from_table(table.parse().unwrap()).unwrap()
}

fn start(config: ExporterConfig, mode: Mode) -> ExporterSet {
    let context = ExportContext { mode, host_name: "a/b".into(), ..ExportContext::default() };
    ExporterSet::start(&[config], &context).unwrap()
}

/// Writes the records to the end.
fn write(config: ExporterConfig, records: Vec<FlowRecord>) -> Snapshot {
    let set = start(config, Mode::Offline);
    set.send(&Arc::from(records));
    set.shutdown(TEST_TIMEOUT).remove(0)
}

/// Records that end at this hour of the new year.
fn at_hour(hour: u64, count: usize) -> Vec<FlowRecord> {
    let mut records = sample::records(count);
    records.iter_mut().for_each(|r| r.flow.last_ns = NEW_YEAR_NS + hour * HOUR_NS + 1);
    records
}

/// All files below the folder, with a name that ends like this.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path, end)),
            path if path.to_str().unwrap().ends_with(end) => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// The rows of a file; an error of the library is a failure.
fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn all_rows(folder: &Path) -> usize {
    files(folder, ".parquet").iter().map(|path| rows(path).len()).sum()
}

/// A row as the JSON exporter writes it.
fn object(row: &Row) -> Map<String, Value> {
    let known = row.get_column_iter().filter(|(_, field)| !matches!(field, Field::Null));
    known.map(|(name, field)| (name.clone(), value(name, field))).collect()
}

fn value(name: &str, field: &Field) -> Value {
    let data_type = by_name(name).unwrap().data_type;
    match field {
        Field::UByte(n) => (*n).into(),
        Field::UShort(n) => (*n).into(),
        Field::ULong(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::Str(text) => text.as_str().into(),
        Field::TimestampMillis(ms) if data_type == DataType::DateTimeSeconds => {
            assert_eq!(ms % 1000, 0, "{name}");
            (ms / 1000).into()
        }
        Field::TimestampMillis(ms) => (*ms).into(),
        other => panic!("{name}: {other:?}"),
    }
}

fn objects(records: &[FlowRecord]) -> Vec<Map<String, Value>> {
    let mut out = Vec::new();
    JsonEncoder::new(&Template::default(), JsonKeys::Names, Enterprise::DEFAULT_OWN_PEN).encode(records, &mut out);
    out.split_inclusive(|b| *b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + TEST_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "it never comes to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_element_is_as_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = at_hour(0, 500);
    records.extend((0..500).map(sample::full));
    records[500..].iter_mut().for_each(|r| r.flow.last_ns = NEW_YEAR_NS + 2);
    // Beyond 32 bits, and without anything at the ends.
    records[0].flow.forward.octets = u64::MAX;
    let end = write(config(dir.path(), ""), records.clone());
    assert_eq!((end.exported, end.messages), (1000, 1));
    let found = files(dir.path(), "");
    assert_eq!(found.len(), 1);
    assert_eq!(end.octets, found[0].metadata().unwrap().len());
    assert!(found[0].starts_with(dir.path().join("date=2026-01-01/hour=00")), "{found:?}");
    assert!(found[0].file_name().unwrap().to_str().unwrap().starts_with("flows-a_b-20260101T000000Z-"), "{found:?}");
    let found: Vec<_> = rows(&found[0]).iter().map(object).collect();
    for (found, wanted) in found.iter().zip(objects(&records)) {
        assert_eq!(*found, wanted);
    }
    assert_eq!(found.len(), 1000);
}

#[test]
fn each_hour_has_its_folder_and_few_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let hours: Vec<_> = (0..30).chain([29, 28, 0]).collect();
    let records: Vec<_> = hours.iter().flat_map(|hour| at_hour(*hour, 2)).collect();
    let end = write(config(dir.path(), "template = \"%IN_BYTES\""), records);
    assert_eq!((end.exported, end.messages), (66, 31), "the first hour came again when its file was complete");
    let found = files(dir.path(), ".parquet");
    let in_hour = |hour: &str| found.iter().filter(|path| path.starts_with(dir.path().join(hour))).count();
    assert_eq!((in_hour("date=2026-01-01/hour=00"), in_hour("date=2026-01-01/hour=23")), (2, 1));
    assert_eq!((in_hour("date=2026-01-02/hour=05"), all_rows(dir.path())), (1, 66));
}

#[test]
fn files_are_complete_after_their_time_or_at_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let set = start(config(dir.path(), "rotate-seconds = 1"), Mode::Live);
    set.send(&Arc::from(at_hour(0, 10)));
    wait_until(|| set.counters()[0].exported == 10);
    assert_eq!(all_rows(dir.path()), 10);
    set.send(&Arc::from(at_hour(0, 5)));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    assert_eq!((end.exported, end.messages, all_rows(dir.path())), (15, 2, 15));
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<_> = (0..5000).map(with_long_text).collect();
    let end = write(config(dir.path(), &format!("{LONG_TEXT}\nrotate-mebibytes = 1")), many);
    let found = files(dir.path(), ".parquet");
    assert!(found.len() > 1 && end.messages == found.len() as u64, "{found:?}");
    assert!(found.iter().all(|path| path.metadata().unwrap().len() < 33 << 20), "{found:?}");
    assert_eq!((end.exported, all_rows(dir.path())), (5000, 5000));
}

/// A folder in which nothing can be created stands for a full disk, which needs root (`pidflow-tests`, `host_spool`).
#[test]
fn what_cannot_be_written_is_counted_and_later_files_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("flows");
    let set = start(config(&folder, "rotate-seconds = 1"), Mode::Live);
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    set.send(&Arc::from(at_hour(0, 10)));
    wait_until(|| set.counters()[0].lost_total() == 10);
    fs::remove_file(&folder).unwrap();
    set.send(&Arc::from(at_hour(0, 7)));
    let end = set.shutdown(TEST_TIMEOUT).remove(0);
    let lost = end.lost.iter().find(|(why, _)| *why == Loss::WriteFailed).unwrap().1;
    assert_eq!((end.accepted, end.exported, lost, end.errors), (17, 7, 10, 1));
    assert_eq!((all_rows(&folder), files(&folder, "").len()), (7, 1));
    assert!(!folder.join("date=2026-01-01").exists(), "a time far from the present one has no folder in a live run");
}

#[test]
fn those_who_may_read_the_files_may_enter_the_folders() {
    let dir = tempfile::tempdir().unwrap();
    for (rest, of_file, of_folder) in [("", 0o600, 0o700), ("mode = \"0640\"", 0o640, 0o750)] {
        let folder = dir.path().join(format!("new/{of_file:o}"));
        write(config(&folder, rest), at_hour(0, 1));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let file = files(&folder, ".parquet").remove(0);
        assert_eq!((mode(&file), mode(&folder)), (of_file, of_folder));
        assert_eq!((mode(&folder.join("date=2026-01-01")), mode(file.parent().unwrap())), (of_folder, of_folder));
    }
}

/// Writes files until it is killed, if it is started for that.
#[test]
fn a_child_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let rest = format!("{LONG_TEXT}\nrotate-mebibytes = 60\nqueue-records = 400");
    let set = start(config(Path::new(&folder), &rest), Mode::Offline);
    let end = Instant::now() + TEST_TIMEOUT;
    while Instant::now() < end {
        set.send(&Arc::from((0..200).map(with_long_text).collect::<Vec<_>>()));
    }
}

/// The template with which such records make large files quickly.
const LONG_TEXT: &str = "template = \"%IN_BYTES %SRC_PROC_CMDLINE\"";

/// A record with a text that hardly shrinks, so that few records fill a row group, and few row groups a file.
fn with_long_text(number: u64) -> FlowRecord {
    let mut record = sample::full(number);
    let mut state = number + 1;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 58) as u8)
    };
    let command_line: String = (0..8000).map(|_| random()).collect();
    let mut process = pidflow_schema::Process::clone(record.source.process.as_ref().unwrap());
    process.command_line = command_line.into();
    record.source.process = Some(Arc::new(process));
    record
}

/// A process that ends with the test, however that ends.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_killed_process_leaves_is_whole_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut left, mut whole) = (0, 0);
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = Killed(child.args(["--exact", "a_child_that_is_killed"]).env(CHILD, dir.path()).spawn().unwrap());
        // It is killed while it writes a file, at another place each time.
        wait_until(|| files(dir.path(), ".parquet").len() > whole && !files(dir.path(), ".part").is_empty());
        std::thread::sleep(Duration::from_millis(round * 37));
        drop(child);
        let parts = files(dir.path(), ".part");
        assert!(parts.iter().all(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')), "{parts:?}");
        left += parts.len();
        whole = files(dir.path(), ".parquet").len();
    }
    assert!(left > 0 && whole >= 3);
    for path in files(dir.path(), ".parquet") {
        assert!(!rows(&path).is_empty(), "{path:?}");
    }
    // A file that another process still writes stays.
    let other = dir.path().join("date=2026-01-01/hour=00/.other.parquet.part");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    let held = File::create(&other).unwrap();
    held.lock().unwrap();
    write(config(dir.path(), ""), at_hour(0, 1));
    assert_eq!(files(dir.path(), ".part"), [other]);
}
