//! Reports tests that cannot run on this machine, so that the runner counts them as skipped. It is a crate of its own
//! so that the unit tests of every crate can use it, like the whole-system tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

/// Environment variable: the file to which every skip is appended.
pub const SKIPS: &str = "PIDFLOW_SKIPS";

/// Reports that the running test, or the part `name` of it, is skipped for `reason`. The runner counts both alike,
/// because a test of which a part did not run did not pass. The caller returns afterwards.
///
/// # Panics
///
/// When the skip cannot be written to the runner's file, because the test would then count as passed.
pub fn skip(name: &str, reason: &str) {
    let line = line(thread::current().name(), name, reason);
    eprintln!("{line}");
    if let Some(path) = std::env::var_os(SKIPS) {
        let mut options = OpenOptions::new();
        // In one write: other test programs append to it too.
        let whole = line + "\n";
        let appended =
            options.append(true).create(true).open(path).and_then(|mut file| file.write_all(whole.as_bytes()));
        assert!(appended.is_ok(), "the skip is not counted: {appended:?}");
    }
}

/// The line `SKIP PROGRAM::TEST: REASON`. libtest gives the thread of a test the name of the test.
fn line(thread: Option<&str>, name: &str, reason: &str) -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let program = program.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    // Without the hash that cargo appends.
    let program = program.rsplit_once('-').map_or(&*program, |(program, _)| program);
    match thread.filter(|thread| *thread != "main") {
        None => format!("SKIP {program}::{name}: {reason}"),
        Some(test) if test.rsplit("::").next() == Some(name) => format!("SKIP {program}::{test}: {reason}"),
        Some(test) => format!("SKIP {program}::{test}: {name}: {reason}"),
    }
}

/// Returns true, and reports a skip, when the test needs root and the user is not root.
#[must_use]
pub fn without_root(name: &str) -> bool {
    let skipped = !rustix::process::geteuid().is_root();
    if skipped {
        skip(name, "needs root");
    }
    skipped
}

#[test]
fn a_skip_names_the_test_once() {
    let of = |thread, name| line(thread, name, "why");
    assert_eq!(of(Some("a::b"), "b"), "SKIP pidflow_skip::a::b: why");
    assert_eq!(of(Some("a::b"), "promtool check metrics"), "SKIP pidflow_skip::a::b: promtool check metrics: why");
    assert_eq!(of(Some("main"), "b"), "SKIP pidflow_skip::b: why");
    assert_eq!(of(None, "b"), "SKIP pidflow_skip::b: why");
}
