//! Who may read what exporters write, whatever the umask. A test of its own: the umask is the process's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Mode, sample};

fn set_umask(mask: libc::mode_t) {
    // SAFETY: it only sets the process's umask.
    unsafe { libc::umask(mask) };
}

/// Permission bits of everything below the folder, by path.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        found.insert(path.to_str().unwrap().to_owned(), entry.metadata().unwrap().permissions().mode() & 0o7777);
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

/// Everything that an exporter makes, `rest` being further keys of those that write files.
fn write_all(folder: &Path, rest: &str) {
    let folder = folder.display();
    let tables = [
        format!("kind = \"json\"\nfile = \"{folder}/flows.json\"\n{rest}"),
        format!("kind = \"json\"\nfile = \"{folder}/flows-%S.gz\"\nrotate-seconds = 1\ncompression = \"gzip\"\n{rest}"),
        format!("kind = \"ipfix\"\nurl = \"file:{folder}/flows.ipfix\"\n{rest}"),
        format!("kind = \"ipfix\"\nurl = \"tcp://127.0.0.1:9\"\nspool = \"{folder}/spools/first\"\n"),
    ];
    let configs = tables.map(|table| ExporterConfig::from_table(table.parse().unwrap()).unwrap());
    let context = ExportContext { mode: Mode::Offline, ..ExportContext::default() };
    let set = ExporterSet::start(&configs, &context).unwrap();
    for second in 0..3 {
        let mut records = sample::records(20);
        records.iter_mut().for_each(|r| r.flow.last_ns = 1_767_225_600_000_000_000 + second * 1_000_000_000);
        set.send(&Arc::from(records));
    }
    let end = set.shutdown(Duration::from_secs(2));
    assert_eq!(end.iter().map(|s| s.exported + s.spooled).collect::<Vec<_>>(), [60; 4]);
}

#[test]
fn only_the_owner_reads_unless_a_key_says_otherwise() {
    for umask in [0o022, 0o000] {
        set_umask(umask);
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path(), "");
        let found = modes(dir.path());
        assert!(found.len() >= 1 + 3 + 1 + 2 + 3, "{found:?}");
        for (path, mode) in found {
            assert_eq!(mode, if Path::new(&path).is_dir() { 0o700 } else { 0o600 }, "{path} with umask {umask:o}");
        }
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path(), "mode = \"0640\"");
        for (path, mode) in modes(dir.path()).into_iter().filter(|(path, _)| path.contains("/flows")) {
            assert_eq!(mode, 0o640, "{path} with umask {umask:o}");
        }
    }
    set_umask(0o077);
    let dir = tempfile::tempdir().unwrap();
    for (name, mode) in [("flows.json", 0o644), ("flows.ipfix", 0o604)] {
        fs::write(dir.path().join(name), "").unwrap();
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    write_all(dir.path(), "mode = \"0640\"");
    let found = modes(dir.path());
    let mode = |name: &str| found[dir.path().join(name).to_str().unwrap()];
    assert_eq!([mode("flows.json"), mode("flows.ipfix")], [0o644, 0o604]);
    // How many of these there are depends on how many batches the exporter takes at once.
    let rotated: Vec<_> = found.iter().filter(|(path, _)| path.ends_with(".gz")).collect();
    assert!(!rotated.is_empty() && rotated.iter().all(|(_, mode)| **mode == 0o640), "{found:?}");
}
