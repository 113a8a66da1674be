//! A thread of a running agent panics: the agent names it and starts it again, or ends with an error.
//!
//! The panic is a real one: a preloaded library returns an impossible time to one thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever is not as expected ends the test"
)]

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;

use pidflow_tests::serving::{Serving, eventually};
use pidflow_tests::{skip, trial};

/// Threads whose name begins with `$BROKEN_THREAD` get the impossible time once, when the file `$BROKEN_WHEN` exists.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static int failed;
int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    const char *thread = getenv("BROKEN_THREAD"), *when = getenv("BROKEN_WHEN");
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (thread && when && !strncmp(name, thread, strlen(thread)) && clock == CLOCK_MONOTONIC && !access(when, F_OK)
        && !__sync_lock_test_and_set(&failed, 1))
        time->tv_nsec = 2000000000;
    return (int)result;
}
"#;

fn library(folder: &Path) -> Option<PathBuf> {
    let (source, built) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, LIBRARY).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&built).arg(&source).status().ok()?;
    status.success().then_some(built)
}

/// An agent with a thread that will fail, and the file that makes it fail.
struct Broken {
    agent: Serving,
    when: PathBuf,
    log: PathBuf,
}

fn broken(folder: &Path, thread: &str) -> Option<Broken> {
    let preload = format!("LD_PRELOAD={}", library(folder)?.display());
    let (when, log, config) = (folder.join("now"), folder.join("log"), folder.join("pidflow.toml"));
    let (of_thread, at) = (format!("BROKEN_THREAD={thread}"), format!("BROKEN_WHEN={}", when.display()));
    fs::write(&config, format!("[[exporter]]\nkind = \"json\"\nfile = \"{}/flows.json\"\n", folder.display())).unwrap();
    let by = ["env", &preload, &of_thread, &at];
    let agent = Serving::start_by(&by, folder, &["--probes", "poll", "--config", config.to_str().unwrap()]).unwrap();
    eventually("it is ready", || Ok(agent.get("/readyz")?.status == 200)).unwrap();
    Some(Broken { agent, when, log })
}

fn talk() {
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", sink.local_addr().unwrap()).unwrap();
}

#[test]
fn a_thread_that_panics_is_named_and_started_again() {
    let name = "a_thread_that_panics_is_named_and_started_again";
    if skip::without_root(name) {
        return;
    }
    // The kernel's names of threads, and the names in messages.
    for (thread, named) in [("export-json", "export json "), ("host", "host")] {
        let dir = trial::folder().unwrap();
        let Some(Broken { agent, when, log }) = broken(dir.path(), thread) else {
            return skip::skip(name, "no C compiler");
        };
        assert!(!agent.get("/readyz").unwrap().body.contains("panicked"), "{thread}");
        fs::write(&when, "").unwrap();
        let is_named = || {
            talk();
            let Ok(page) = agent.get("/readyz") else { return Ok(false) };
            Ok(page.status == 200 && page.body.lines().any(|l| l.contains(&format!("degraded: thread {named}"))))
        };
        eventually(thread, is_named).unwrap_or_else(|e| panic!("{e}: {}", fs::read_to_string(&log).unwrap()));
        let said = fs::read_to_string(&log).unwrap();
        assert!(
            said.lines().any(|l| l.contains(&format!("thread {named}")) && l.contains("is started again")),
            "{said}"
        );
        let is_counted = || {
            let metrics = agent.get("/metrics")?.body;
            let begins = format!("pidflow_thread_restarts_total{{thread=\"{named}");
            Ok(metrics.lines().any(|line| line.starts_with(&begins) && line.ends_with(" 1")))
        };
        eventually("the restart is counted", is_counted).unwrap();
        // The thread works again.
        let written = || fs::metadata(dir.path().join("flows.json")).map_or(0, |file| file.len());
        let before = written();
        eventually("records go on", || {
            talk();
            Ok(written() > before)
        })
        .unwrap();
        agent.stop().unwrap();
    }
}

/// Without the thread that follows interfaces, an agent would see less and less.
#[test]
fn an_agent_whose_vital_thread_panics_ends_with_an_error() {
    let name = "an_agent_whose_vital_thread_panics_ends_with_an_error";
    if skip::without_root(name) {
        return;
    }
    let dir = trial::folder().unwrap();
    let Some(Broken { agent, when, log }) = broken(dir.path(), "interfaces") else {
        return skip::skip(name, "no C compiler");
    };
    talk();
    fs::write(&when, "").unwrap();
    eventually("it ends", || Ok(agent.get("/livez").is_err())).unwrap();
    assert!(agent.stop().is_err(), "with an error");
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.lines().any(|l| l.contains("interfaces") && l.contains("panicked")), "{said}");
    assert!(said.lines().last().unwrap().starts_with("pidflow: "), "{said}");
    // Flows that were active are exported.
    assert!(fs::metadata(dir.path().join("flows.json")).unwrap().len() > 0);
}

#[test]
fn a_panic_while_a_page_is_made_ends_at_most_one_connection() {
    let name = "a_panic_while_a_page_is_made_ends_at_most_one_connection";
    if skip::without_root(name) {
        return;
    }
    let dir = trial::folder().unwrap();
    let Some(Broken { agent, when, log }) = broken(dir.path(), "http") else {
        return skip::skip(name, "no C compiler");
    };
    fs::write(&when, "").unwrap();
    let has_panicked = || {
        let _ = agent.get("/metrics");
        Ok(fs::read_to_string(&log)?.contains("thread http panicked"))
    };
    eventually("it panics", has_panicked).unwrap();
    eventually("health is answered", || Ok(agent.get("/livez").is_ok_and(|page| page.status == 200))).unwrap();
    for path in ["/readyz", "/metrics", "/api/flows"] {
        assert_eq!(agent.get(path).unwrap().status, 200, "{path}");
    }
    agent.stop().unwrap();
}
