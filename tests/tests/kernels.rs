//! The same scenarios on Debian's kernels in virtual machines, with each way of attaching that they offer.

use std::io::Write;
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use pidflow_tests::guest::{AGENT, CLOCK, SILENCED, Verdict};
use pidflow_tests::skip::skip;
use pidflow_tests::vm::{AMD64, Availability, Kernel, Machine};

/// The result of one boot: verdicts, the reason why the kernel is not available, or an error.
type Boot = std::result::Result<Availability<Vec<Verdict>>, String>;

/// One machine at a time: with two on two processors, agents wait so long that packets are dropped.
static BOOT_LOCK: Mutex<()> = Mutex::new(());

/// Every way of attaching that these kernels offer.
const BACKENDS: &str = "kprobe,fentry,tracepoint";

/// One boot per kernel serves the tests of all backends. At the end of one, the hooks of a backend are detached; the other
/// one also runs the steps of the clock.
static LINUX_6_1: LazyLock<Boot> = LazyLock::new(|| boot("6.1", &AMD64, &format!("{BACKENDS},{SILENCED}kprobe")));
static LINUX_6_12: LazyLock<Boot> =
    LazyLock::new(|| boot("6.12", &AMD64, &format!("{BACKENDS},{SILENCED}fentry,{CLOCK}")));

fn boot(version: &str, machine: &'static Machine, backends: &str) -> Boot {
    if Command::new(machine.qemu).arg("--version").output().is_err() {
        let reason = format!("no {} (package {})", machine.qemu, machine.package);
        // In CI, the test is skipped only if the package is not available.
        let forgiven = std::env::var_os("PIDFLOW_CI").is_none();
        return if forgiven { Ok(Availability::Unavailable(reason)) } else { Err(reason) };
    }
    match Kernel::fetch(version, machine).map_err(|error| format!("{error:#}"))? {
        Availability::Unavailable(reason) => Ok(Availability::Unavailable(reason)),
        Availability::Available(kernel) => {
            let _turn = BOOT_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = Instant::now();
            let verdicts = kernel.run(backends);
            report_time(
                &format!("{version} {}", machine.architecture),
                begun.elapsed().as_secs(),
                verdicts.as_deref().unwrap_or_default(),
            );
            verdicts.map(Availability::Available).map_err(|error| format!("{error:#}"))
        }
    }
}

/// Says how long all of a kernel took, also when its tests pass (which is why this is not `println`), and of it until agents
/// were ready.
fn report_time(kernel: &str, seconds: u64, verdicts: &[Verdict]) {
    let attaching = verdicts.iter().filter(|verdict| verdict.scenario == AGENT && BACKENDS.contains(&verdict.backend));
    let attaching: Vec<_> =
        attaching.map(|verdict| format!("{} {} s", verdict.backend, verdict.took.as_secs())).collect();
    let line = format!("kernel {kernel}: {seconds} s (attaching: {})\n", attaching.join(", "));
    // Who cannot be told of it misses nothing else.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn assert_backend(name: &str, boot: &Boot, backend: &str) -> Result<()> {
    let verdicts = match boot {
        Err(error) => bail!("{error}"),
        Ok(Availability::Unavailable(reason)) => {
            skip(name, reason);
            return Ok(());
        }
        Ok(Availability::Available(verdicts)) => verdicts.iter().filter(|verdict| verdict.backend == backend),
    };
    let (mut seen, mut failed) = (0, 0);
    for verdict in verdicts {
        seen += 1;
        failed += usize::from(!verdict.passed);
        let word = if verdict.passed { "ok" } else { "FAILED" };
        eprintln!("{name} {}: {word} after {:.1} s\n{}", verdict.scenario, verdict.took.as_secs_f64(), verdict.text);
    }
    ensure!(seen > 10, "only {seen} results came out of the guest");
    ensure!(failed == 0, "{failed} of {seen} scenarios failed");
    Ok(())
}

#[test]
fn linux_6_1_kprobe() -> Result<()> {
    assert_backend("linux_6_1_kprobe", &LINUX_6_1, "kprobe")
}

#[test]
fn linux_6_1_fentry() -> Result<()> {
    assert_backend("linux_6_1_fentry", &LINUX_6_1, "fentry")
}

#[test]
fn linux_6_1_tracepoint() -> Result<()> {
    assert_backend("linux_6_1_tracepoint", &LINUX_6_1, "tracepoint")
}

#[test]
fn linux_6_12_kprobe() -> Result<()> {
    assert_backend("linux_6_12_kprobe", &LINUX_6_12, "kprobe")
}

#[test]
fn linux_6_12_fentry() -> Result<()> {
    assert_backend("linux_6_12_fentry", &LINUX_6_12, "fentry")
}

#[test]
fn linux_6_12_tracepoint() -> Result<()> {
    assert_backend("linux_6_12_tracepoint", &LINUX_6_12, "tracepoint")
}

/// Takes more than three minutes, and therefore belongs to no run of all tests: CONTRIBUTING.md.
#[cfg(feature = "arm64")]
mod arm64 {
    use pidflow_tests::vm::ARM64;

    use super::*;

    /// It has no fentry: arm64 has it since 6.4.
    static LINUX_6_1: LazyLock<Boot> = LazyLock::new(|| boot("6.1", &ARM64, "kprobe,tracepoint"));
    static LINUX_6_12: LazyLock<Boot> = LazyLock::new(|| boot("6.12", &ARM64, BACKENDS));

    #[test]
    fn arm64_6_1_kprobe() -> Result<()> {
        assert_backend("arm64_6_1_kprobe", &LINUX_6_1, "kprobe")
    }

    #[test]
    fn arm64_6_1_tracepoint() -> Result<()> {
        assert_backend("arm64_6_1_tracepoint", &LINUX_6_1, "tracepoint")
    }

    #[test]
    fn arm64_6_12_kprobe() -> Result<()> {
        assert_backend("arm64_6_12_kprobe", &LINUX_6_12, "kprobe")
    }

    #[test]
    fn arm64_6_12_fentry() -> Result<()> {
        assert_backend("arm64_6_12_fentry", &LINUX_6_12, "fentry")
    }

    #[test]
    fn arm64_6_12_tracepoint() -> Result<()> {
        assert_backend("arm64_6_12_tracepoint", &LINUX_6_12, "tracepoint")
    }
}

/// The self-test names the hooks that are detached, and no others.
#[test]
fn detached_kprobes_are_named() -> Result<()> {
    assert_one("detached_kprobes_are_named", &LINUX_6_1, &format!("{SILENCED}kprobe"))
}

#[test]
fn detached_fentry_hooks_are_named() -> Result<()> {
    assert_one("detached_fentry_hooks_are_named", &LINUX_6_12, &format!("{SILENCED}fentry"))
}

/// Records continue with the times of the new clock, and nothing is counted twice or lost.
#[test]
fn the_wall_clock_goes_an_hour_ahead_and_back() -> Result<()> {
    assert_one("the_wall_clock_goes_an_hour_ahead_and_back", &LINUX_6_12, CLOCK)
}

/// For what has only one result.
fn assert_one(name: &str, boot: &Boot, backend: &str) -> Result<()> {
    match boot {
        Err(error) => bail!("{error}"),
        Ok(Availability::Unavailable(reason)) => skip(name, reason),
        Ok(Availability::Available(verdicts)) => {
            let verdict = verdicts.iter().find(|verdict| verdict.backend == backend);
            let verdict = verdict.context("no result came out of the guest")?;
            ensure!(verdict.passed, "{}", verdict.text);
            println!("{}", verdict.text);
        }
    }
    Ok(())
}
