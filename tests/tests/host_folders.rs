//! Folders of output files that are replaced while the agent runs: logrotate moves them, an operator deletes and creates them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::skip::without_root;
use pidflow_tests::sys;
use pidflow_tests::traffic::Traffic;

/// An agent in a network namespace of its own that writes JSON lines and IPFIX to files in one folder.
struct Run {
    dir: tempfile::TempDir,
    agent: Serving,
    _traffic: Traffic,
}

impl Run {
    fn start() -> Self {
        sys::unshare(libc::CLONE_NEWNET).unwrap();
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        let dir = tempfile::tempdir().unwrap();
        // The output folder is not below the working folder of the agent.
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let json = out.join("flows.json").display().to_string();
        let ipfix = format!("file:{}", out.join("flows.ipfix").display());
        let outputs = ["--json", &json, "--collector", &ipfix];
        let agent = ["-i", "lo", "--probes", "poll"];
        let agent = Serving::start(dir.path(), &[&agent[..], &outputs].concat()).unwrap();
        let run = Self { dir, agent, _traffic: Traffic::start(1, Duration::from_millis(50)) };
        run.await_records(&out);
        run
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn await_records(&self, folder: &Path) {
        let grows = |name: &str| {
            let size = || fs::metadata(folder.join(name)).map_or(0, |m| m.len());
            let before = size();
            let what = format!("{}/{name} grows: {}", folder.display(), self.log());
            eventually(&what, || Ok(size() > before)).unwrap();
        };
        grows("flows.json");
        grows("flows.ipfix");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap()
    }

    fn readiness(&self) -> String {
        self.agent.get("/readyz").unwrap().body
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        .count()
}

fn exporter_total(run: &Run, metric: &str) -> u64 {
    let all = run.agent.get("/metrics").unwrap().body;
    let of_json = all.lines().filter(|l| l.starts_with(metric) && l.contains("json"));
    of_json.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

#[test]
fn a_folder_that_is_moved_and_created_anew_is_written_and_nothing_is_lost() {
    if without_root("a_folder_that_is_moved_and_created_anew_is_written_and_nothing_is_lost") {
        return;
    }
    let run = Run::start();
    for turn in 1..=3 {
        fs::rename(run.at("out"), run.at(&format!("out.{turn}"))).unwrap();
        fs::create_dir(run.at("out")).unwrap();
        run.await_records(&run.at("out"));
    }
    let log = run.log();
    assert_eq!(log.matches("the folder was replaced; the new one is written from now on").count(), 3, "{log}");
    assert!(!log.contains(" ERROR "), "{log}");
    assert_eq!(exporter_total(&run, "pidflow_export_lost_records_total"), 0);
    let exported = usize::try_from(exporter_total(&run, "pidflow_exported_records_total")).unwrap();
    assert!(exported > 0);
    let Run { dir, agent, _traffic } = run;
    agent.stop().unwrap();
    let written = ["out.1", "out.2", "out.3", "out"].map(|folder| lines(&dir.path().join(folder).join("flows.json")));
    assert!(
        written.iter().all(|lines| *lines > 0) && written.iter().sum::<usize>() >= exported,
        "{written:?} {exported}"
    );
}

#[test]
fn a_folder_that_is_deleted_and_created_anew_is_written() {
    if without_root("a_folder_that_is_deleted_and_created_anew_is_written") {
        return;
    }
    let run = Run::start();
    fs::remove_dir_all(run.at("out")).unwrap();
    eventually("it is named", || Ok(run.readiness().contains("flows.json"))).unwrap();
    fs::create_dir(run.at("out")).unwrap();
    run.await_records(&run.at("out"));
    run.agent.stop().unwrap();
}

/// The link `now -> 1` becomes `now -> 2`.
#[test]
fn a_link_to_a_folder_that_leads_elsewhere_is_followed() {
    if without_root("a_link_to_a_folder_that_leads_elsewhere_is_followed") {
        return;
    }
    let run = Run::start();
    fs::rename(run.at("out"), run.at("1")).unwrap();
    fs::create_dir(run.at("2")).unwrap();
    std::os::unix::fs::symlink("2", run.at("out")).unwrap();
    run.await_records(&run.at("2"));
    run.agent.stop().unwrap();
}

/// The agent names the folder once in the log, and in `/readyz`. The old folder is written until the new one can be.
#[test]
fn a_folder_that_cannot_be_written_is_named_until_it_can() {
    if without_root("a_folder_that_cannot_be_written_is_named_until_it_can") {
        return;
    }
    let run = Run::start();
    fs::rename(run.at("out"), run.at("out.1")).unwrap();
    fs::create_dir(run.at("new")).unwrap();
    fs::set_permissions(run.at("new"), Permissions::from_mode(0o500)).unwrap();
    fs::rename(run.at("new"), run.at("out")).unwrap();
    eventually("it says what to do", || Ok(run.log().contains("give the agent's user access to it"))).unwrap();
    eventually("it is not ready", || Ok(run.readiness().contains("flows.json"))).unwrap();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(run.log().matches("give the agent's user access").count(), 1, "once: {}", run.log());
    run.await_records(&run.at("out.1"));
    fs::set_permissions(run.at("out"), Permissions::from_mode(0o700)).unwrap();
    run.await_records(&run.at("out"));
    run.agent.stop().unwrap();
}
