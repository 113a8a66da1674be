//! The same scenarios on Debian's kernels in virtual machines, with each way of attaching that they offer.

use std::process::Command;
use std::sync::LazyLock;

use pidflow_tests::guest::Verdict;
use pidflow_tests::skip::skip;
use pidflow_tests::vm::{Had, Kernel};

/// What one boot gave: verdicts, why the kernel could not be had, or what failed.
type Boot = Result<Had<Vec<Verdict>>, String>;

/// One boot per kernel serves the tests of all backends.
static LINUX_6_1: LazyLock<Boot> = LazyLock::new(|| boot("6.1"));
static LINUX_6_12: LazyLock<Boot> = LazyLock::new(|| boot("6.12"));

fn boot(version: &str) -> Boot {
    if Command::new("qemu-system-x86_64")
        .arg("--version")
        .output()
        .is_err()
    {
        return Ok(Had::No(
            "no qemu-system-x86_64 (package qemu-system-x86)".to_owned(),
        ));
    }
    match Kernel::fetch(version).map_err(|error| format!("{error:#}"))? {
        Had::No(reason) => Ok(Had::No(reason)),
        Had::Yes(kernel) => kernel
            .run("kprobe,fentry,tracepoint")
            .map(Had::Yes)
            .map_err(|error| format!("{error:#}")),
    }
}

fn assert_backend(name: &str, boot: &Boot, backend: &str) {
    let verdicts = match boot {
        Err(error) => panic!("{error}"),
        Ok(Had::No(reason)) => return skip(name, reason),
        Ok(Had::Yes(verdicts)) => verdicts.iter().filter(|verdict| verdict.backend == backend),
    };
    let (mut seen, mut failed) = (0, 0);
    for verdict in verdicts {
        seen += 1;
        failed += usize::from(!verdict.passed);
        eprintln!(
            "{name} {}: {}\n{}",
            verdict.scenario,
            if verdict.passed { "ok" } else { "FAILED" },
            verdict.text
        );
    }
    assert!(seen > 10, "only {seen} results came out of the guest");
    assert_eq!(failed, 0, "{failed} of {seen} scenarios failed");
}

#[test]
fn linux_6_1_kprobe() {
    assert_backend("linux_6_1_kprobe", &LINUX_6_1, "kprobe");
}

#[test]
fn linux_6_1_fentry() {
    assert_backend("linux_6_1_fentry", &LINUX_6_1, "fentry");
}

#[test]
fn linux_6_1_tracepoint() {
    assert_backend("linux_6_1_tracepoint", &LINUX_6_1, "tracepoint");
}

#[test]
fn linux_6_12_kprobe() {
    assert_backend("linux_6_12_kprobe", &LINUX_6_12, "kprobe");
}

#[test]
fn linux_6_12_fentry() {
    assert_backend("linux_6_12_fentry", &LINUX_6_12, "fentry");
}

#[test]
fn linux_6_12_tracepoint() {
    assert_backend("linux_6_12_tracepoint", &LINUX_6_12, "tracepoint");
}
