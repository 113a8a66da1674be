//! Tests that cannot run here say so, and the runner counts them.

use std::fs::OpenOptions;
use std::io::Write;

use crate::sys;

/// Environment variable: the file to which every skip is appended.
pub const SKIPS: &str = "PIDFLOW_SKIPS";

/// Reports that test `name` is skipped. The caller returns afterwards.
pub fn skip(name: &str, reason: &str) {
    let line = format!("SKIP {name}: {reason}");
    eprintln!("{line}");
    let Some(path) = std::env::var_os(SKIPS) else {
        return;
    };
    let appended =
        OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| writeln!(file, "{line}"));
    if let Err(error) = appended {
        eprintln!("the skip is not counted: {error}");
    }
}

/// True, with a skip reported, when the test may not run for want of root.
#[must_use]
pub fn without_root(name: &str) -> bool {
    let skipped = !sys::is_root();
    if skipped {
        skip(name, "needs root");
    }
    skipped
}
