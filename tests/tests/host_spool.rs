//! A spool on a disk that is full (a small tmpfs, so root is needed).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pidflow_exporters::config::SpoolConfig;
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, Loss, WireVersion, sample};

/// A file system of 1 MiB, there for as long as this is.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir(at).unwrap();
        assert!(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=1m", "pidflow-test"])
                .arg(at)
                .status()
                .unwrap()
                .success()
        );
        Self(at.into())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_counted_and_what_was_written_is_delivered() {
    if pidflow_tests::skip::without_root("a_full_disk_is_counted_and_what_was_written_is_delivered") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&dir.path().join("disk"));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = ExporterConfig::collector(&format!("tcp://{address}"), WireVersion::Ipfix).unwrap();
    config.delivery.spool = Some(SpoolConfig { folder: disk.0.join("spool"), max_octets: 16 << 20 });
    let set = ExporterSet::start(&[config.clone()], &ExportContext::default()).unwrap();
    for _ in 0..20 {
        set.send(&sample::records(500).into());
    }
    let end = set.shutdown(Duration::from_millis(200)).remove(0);
    let failed = end.lost[Loss::WriteFailed as usize].1;
    assert_eq!((end.accepted, end.exported, end.spooled + failed), (10_000, 0, 10_000), "{end:?}");
    assert!(end.spooled > 500 && failed > 500 && end.errors > 0, "{end:?}");
    drop(set);
    let listener = TcpListener::bind(address).unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut listener.accept().unwrap().0, &mut std::io::sink()));
    let set = ExporterSet::start(&[config], &ExportContext::default()).unwrap();
    let again = set.shutdown(Duration::from_secs(20)).remove(0);
    drop(set);
    assert_eq!((again.exported, again.lost_total()), (end.spooled, 0), "{again:?}");
    assert!(reader.join().unwrap().unwrap() > 0);
}
