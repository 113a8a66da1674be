//! What each thread of the agent may do, and which of these restrictions this kernel can enforce.

use super::finding::{Finding, Verdict};
use crate::privileges::{self, RIGHTS, Rights};

/// What the kernel can enforce, then every thread.
pub(super) fn findings() -> Vec<Finding> {
    [landlock(), seccomp()].into_iter().chain(RIGHTS.iter().map(thread)).collect()
}

fn landlock() -> Finding {
    match privileges::landlock_version() {
        Some(version) => Finding::new(Verdict::Fine, "Landlock", &format!("version {version}")),
        None => Finding::new(Verdict::Fine, "Landlock", "not available").with(
            "note",
            "threads may open all files that the agent's user may open; kernels from 5.13 with lsm=landlock restrict this",
        ),
    }
}

fn seccomp() -> Finding {
    match privileges::seccomp_works() {
        Ok(()) => Finding::new(Verdict::Fine, "seccomp", "available"),
        Err(e) => Finding::new(Verdict::Fine, "seccomp", "not available")
            .with("note", &format!("threads may make any system call: {e}")),
    }
}

fn thread(r: &Rights) -> Finding {
    let capabilities: Vec<_> = r.capabilities.iter().map(ToString::to_string).collect();
    let kept = if capabilities.is_empty() { "no capabilities".to_owned() } else { capabilities.join(", ") };
    Finding::new(Verdict::Fine, r.threads, &kept).with("system calls", r.calls.name()).with("files", r.files.name())
}
