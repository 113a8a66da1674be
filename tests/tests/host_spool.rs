//! A spool and Parquet files on a disk that is full (a small tmpfs), and a spool on one that hangs (a frozen file system): root is needed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a failure is a panic"
)]

use std::ffi::OsStr;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pidflow_exporters::config::SpoolConfig;
use pidflow_exporters::{ExportContext, ExporterConfig, ExporterSet, JsonKeys, Loss, WireVersion, sample};
use pidflow_tests::agent::Agent;

/// A file system of 1 MiB that is unmounted when this is dropped.
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
    let set = start_again(&config);
    let again = set.shutdown(Duration::from_secs(20)).remove(0);
    drop(set);
    assert_eq!((again.exported, again.lost_total()), (end.spooled, 0), "{again:?}");
    assert!(reader.join().unwrap().unwrap() > 0);
}

#[test]
fn parquet_files_of_a_full_disk_are_counted_and_removed_and_later_ones_written() {
    let test = "parquet_files_of_a_full_disk_are_counted_and_removed_and_later_ones_written";
    if pidflow_tests::skip::without_root(test) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&dir.path().join("disk"));
    std::fs::write(disk.0.join("other"), vec![0; 1000 << 10]).unwrap();
    let config = format!("kind = \"parquet\"\nfolder = \"{}\"\nrotate-seconds = 1", disk.0.join("flows").display());
    let config = ExporterConfig::from_table(config.parse().unwrap()).unwrap();
    let set = ExporterSet::start(&[config], &ExportContext::default()).unwrap();
    set.send(&sample::records(2000).into());
    let lost = || set.counters()[0].lost[Loss::WriteFailed as usize].1;
    wait_until(|| lost() == 2000);
    let found = Command::new("find").arg(&disk.0).args(["-name", "*.parquet*"]).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "", "nothing is left of it");
    std::fs::remove_file(disk.0.join("other")).unwrap();
    set.send(&sample::records(500).into());
    wait_until(|| set.counters()[0].exported == 500);
    let end = set.shutdown(Duration::from_secs(20)).remove(0);
    assert_eq!((end.accepted, end.exported, end.lost_total(), end.errors), (2500, 500, 2000, 1), "{end:?}");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never comes to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts the exporter again. Its threads that still write to the spool have been told to end, which takes a moment.
fn start_again(config: &ExporterConfig) -> ExporterSet {
    let begun = Instant::now();
    loop {
        match ExporterSet::start(std::slice::from_ref(config), &ExportContext::default()) {
            Ok(set) => return set,
            Err(e) => assert!(begun.elapsed() < Duration::from_secs(20), "{e}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Attempts to connect to a port on which nobody listens; each makes a record of half a kilobyte.
const ATTEMPTS: usize = 5_000;

#[test]
fn an_agent_whose_disk_is_full_says_so_and_goes_on() {
    if pidflow_tests::skip::without_root("an_agent_whose_disk_is_full_says_so_and_goes_on") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (disk, config) = (SmallDisk::mount(&dir.path().join("disk")), dir.path().join("pidflow.toml"));
    let nobody = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (collector, closed, spool) = (nobody(), nobody(), disk.0.join("spool"));
    let table =
        format!("[[exporter]]\nkind = \"ipfix\"\nurl = \"tcp://{collector}\"\nspool = \"{}\"\n", spool.display());
    std::fs::write(&config, table).unwrap();
    let agent = Agent::start(dir.path(), &["-i", "lo", "-d", "1s", "--config", config.to_str().unwrap()]).unwrap();
    for _ in 0..ATTEMPTS {
        assert!(TcpStream::connect(closed).is_err());
    }
    let ended = agent.stop().unwrap();
    // The other exporter has them all.
    assert_eq!(ended.records.iter().filter(|r| r.destination.1 == closed.port()).count(), ATTEMPTS);
    let line = ended.log.lines().find(|l| l.contains("No space left on device"));
    let line = line.unwrap_or_else(|| panic!("{}", ended.log));
    assert!(line.contains(spool.to_str().unwrap()) && line.contains("lost"), "{line}");
}

/// A file system of its own of 16 MiB, which can be frozen: whatever would write to it waits.
struct FrozenDisk(PathBuf);

impl FrozenDisk {
    fn mount(folder: &Path) -> Self {
        let (image, at) = (folder.join("image"), folder.join("disk"));
        std::fs::create_dir(&at).unwrap();
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run("mkfs.ext4", &["-q".as_ref(), image.as_ref()]);
        run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()]);
        Self(at)
    }

    fn freeze(&self, how: &str) {
        run("fsfreeze", &[how.as_ref(), self.0.as_ref()]);
    }
}

impl Drop for FrozenDisk {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0).stderr(Stdio::null()).status();
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(program: &str, arguments: &[&OsStr]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program}");
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_but_its_spool() {
    if pidflow_tests::skip::without_root("a_disk_that_hangs_holds_up_nobody_but_its_spool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (disk, file) = (FrozenDisk::mount(dir.path()), dir.path().join("flows"));
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut spooled = ExporterConfig::collector(&format!("tcp://{away}"), WireVersion::Ipfix).unwrap();
    spooled.delivery.spool = Some(SpoolConfig { folder: disk.0.join("spool"), max_octets: 16 << 20 });
    let json = ExporterConfig::json(file.to_str().unwrap(), JsonKeys::Names).unwrap();
    let set = ExporterSet::start(&[spooled, json], &ExportContext::default()).unwrap();
    set.send(&sample::records(100).into());
    disk.freeze("-f");
    let start = Instant::now();
    for _ in 0..50 {
        set.send(&sample::records(100).into());
        assert!(set.counters()[0].spooled <= 5100 && set.queued() <= 10_200);
    }
    while set.counters()[1].exported < 5100 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(set.counters()[1].exported, 5100);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    disk.freeze("-u");
    let end = set.shutdown(Duration::from_secs(5)).remove(0);
    assert_eq!((end.accepted, end.spooled, end.lost_total()), (5100, 5100, 0), "{end:?}");
    drop(set);
}
