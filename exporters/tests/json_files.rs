//! JSON lines in files: rotation by size and time, compression, and how many are kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, Snapshot, sample};
use pidflow_schema::FlowRecord;

/// 2026-01-01T00:00:00Z.
const NEW_YEAR_NS: u64 = 1_767_225_600_000_000_000;

fn config(folder: &Path, file: &str, rest: &str) -> ExporterConfig {
    let file = folder.join(file);
    let text = format!("kind = \"json\"\nfile = \"{}\"\n{rest}", file.display());
    ExporterConfig::from_table(text.parse().unwrap()).unwrap()
}

/// In batches of one second each, beginning at new year; the exporter's clock is the records'.
fn export(config: ExporterConfig, seconds: u64, per_second: usize) -> Snapshot {
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    let set = ExporterSet::start(&[config], &context).unwrap();
    for second in 0..seconds {
        set.send(&batch(second, per_second));
    }
    let end = set.shutdown(Duration::from_secs(20)).remove(0);
    assert_eq!((end.exported, end.lost_total()), (seconds * per_second as u64, 0), "{end:?}");
    end
}

fn batch(second: u64, records: usize) -> Arc<[FlowRecord]> {
    let mut batch = sample::records(records);
    for record in &mut batch {
        record.flow.last_ns = NEW_YEAR_NS + second * 1_000_000_000;
        record.flow.first_ns = record.flow.last_ns;
    }
    batch.into()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn objects(text: &str) -> usize {
    text.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).unwrap().is_object()).count()
}

fn gunzip(octets: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(octets).read_to_string(&mut text).unwrap();
    text
}

fn unzstd(octets: &[u8]) -> String {
    String::from_utf8(zstd::stream::decode_all(octets).unwrap()).unwrap()
}

#[test]
fn a_new_file_begins_with_each_span_of_time() {
    let dir = tempfile::tempdir().unwrap();
    export(config(dir.path(), "flows-%Y%m%d-%H%M%S.json", "rotate-seconds = 10"), 25, 4);
    assert_eq!(
        names(dir.path()),
        ["flows-20260101-000000.json", "flows-20260101-000010.json", "flows-20260101-000020.json"]
    );
    let counts = files(dir.path()).iter().map(|f| objects(&std::fs::read_to_string(f).unwrap())).collect::<Vec<_>>();
    assert_eq!(counts, [40, 40, 20]);
}

#[test]
fn full_files_of_one_name_are_numbered_and_the_oldest_deleted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("flows-other.json"), "not ours").unwrap();
    let all = config(dir.path(), "flows-%Y.json", "rotate-mebibytes = 1");
    let octets = export(all, 4, 500).octets;
    let expected = usize::try_from(octets >> 20).unwrap() + 1;
    // The name at the start is that of the wall clock's year; it stayed empty and was taken away.
    let made = names(dir.path());
    assert!(made.len() > 3 && made.len() <= expected + 1, "{made:?}");
    let written: u64 = files(dir.path()).iter().map(|f| f.metadata().unwrap().len()).sum();
    assert_eq!(written, octets + 8);
    let kept = config(dir.path(), "flows-%Y.json", "rotate-mebibytes = 1\nkeep = 2");
    export(kept, 4, 500);
    let left = names(dir.path());
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&"flows-other.json".to_owned()), "{left:?}");
}

#[test]
fn compressed_files_are_appended_to_and_read_back_whole() {
    for (compression, name, read) in
        [("gzip", "flows.json.gz", gunzip as fn(&[u8]) -> String), ("zstd", "flows.json.zst", unzstd)]
    {
        let dir = tempfile::tempdir().unwrap();
        let config = || config(dir.path(), name, &format!("compression = \"{compression}\""));
        let first = export(config(), 3, 200);
        export(config(), 3, 200);
        let octets = std::fs::read(dir.path().join(name)).unwrap();
        assert_eq!(octets.len() as u64, 2 * first.octets);
        let text = read(&octets);
        assert_eq!(objects(&text), 1200);
        assert!(octets.len() * 4 < text.len(), "{} of {}", octets.len(), text.len());
    }
}

/// What was written before a crash is complete: parts do not depend on an end of the file.
#[test]
fn a_compressed_file_can_be_read_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "flows.json.gz", "compression = \"gzip\"");
    let set = ExporterSet::start(&[config], &ExportContext::default()).unwrap();
    set.send(&batch(0, 50));
    let path = dir.path().join("flows.json.gz");
    for _ in 0..100 {
        let octets = std::fs::read(&path).unwrap();
        if !octets.is_empty() {
            assert_eq!(objects(&gunzip(&octets)), 50);
            drop(set.shutdown(Duration::from_secs(20)));
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was written");
}

#[test]
fn a_next_file_that_cannot_be_made_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let config = config(&logs, "flows-%S.json", "rotate-seconds = 10\nkeep = 1");
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    let set = ExporterSet::start(&[config], &context).unwrap();
    let moved = dir.path().join("moved");
    std::fs::rename(&logs, &moved).unwrap();
    (0..20).for_each(|second| set.send(&batch(second, 3)));
    let end = set.shutdown(Duration::from_secs(20)).remove(0);
    assert_eq!((end.exported, end.lost_total()), (60, 0), "{end:?}");
    assert!(end.errors > 0, "{end:?}");
    assert_eq!(objects(&std::fs::read_to_string(&files(&moved)[0]).unwrap()), 60);
}

#[test]
fn timestamps_are_there_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    export(
        config(
            dir.path(),
            "flows.json",
            "timestamp = true\nkeys = \"numbers\"\ntemplate = \"%PROTOCOL %SRC_PROC_PID %SRC_PROC_ATTRIBUTION\"",
        ),
        1,
        1,
    );
    let text = std::fs::read_to_string(dir.path().join("flows.json")).unwrap();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&object["@timestamp"], &object["@version"]), (&"2026-01-01T00:00:00.000Z".into(), &"1".into()));
    let keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.contains(&"4") && keys.contains(&"32473.16"), "{keys:?}");
}
