//! Boots kernels in virtual machines, runs the scenarios with each backend, and prints a table: kernel by backend.
//!
//! `cargo run -p pidflow-tests --bin kernel-matrix [VERSION]...`; default: all of [`VERSIONS`].

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use pidflow_tests::guest::{AGENT, Verdict};
use pidflow_tests::vm::{AMD64, Availability, Kernel};

/// Those that `tests/vm/kernel.sh` knows.
const VERSIONS: [&str; 4] = ["5.10", "6.1", "6.12", "newest"];
const BACKENDS: &str = "kprobe,fentry,tracepoint";

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let versions = if asked.is_empty() { VERSIONS.map(str::to_owned).to_vec() } else { asked };
    println!("| kernel | backend | attached after | scenarios passed | failed |");
    println!("|---|---|---|---|---|");
    let mut all_passed = true;
    for version in versions {
        match verdicts(&version) {
            Ok((kernel, verdicts)) => all_passed &= print(&kernel, &verdicts),
            Err(e) => {
                println!("| {version} | | | | {e:#} |");
                all_passed = false;
            }
        }
    }
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The kernel's package, and the results of its scenarios.
fn verdicts(version: &str) -> anyhow::Result<(String, Vec<Verdict>)> {
    match Kernel::fetch(version, &AMD64)? {
        Availability::Unavailable(reason) => anyhow::bail!("not available: {reason}"),
        Availability::Available(kernel) => Ok((kernel.package()?, kernel.run(BACKENDS)?)),
    }
}

/// A line for each backend; then what failed, in full, on standard error. Returns whether all passed.
fn print(kernel: &str, verdicts: &[Verdict]) -> bool {
    let mut backends = BTreeMap::<_, Vec<&Verdict>>::new();
    for verdict in verdicts {
        backends.entry(&verdict.backend).or_default().push(verdict);
    }
    for (backend, verdicts) in backends {
        let (agent, scenarios): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(|v| v.scenario == AGENT);
        let ready = agent.first().map_or(Duration::ZERO, |v| v.took).as_secs_f64();
        let failed: Vec<_> = scenarios.iter().chain(&agent).filter(|v| !v.passed).map(|v| &*v.scenario).collect();
        let passed = scenarios.iter().filter(|v| v.passed).count();
        println!("| {kernel} | {backend} | {ready:.1} s | {passed} of {} | {} |", scenarios.len(), failed.join(", "));
    }
    let failed = verdicts.iter().filter(|v| !v.passed);
    failed.clone().for_each(|v| eprintln!("{kernel} {} {}: {}", v.backend, v.scenario, v.text));
    failed.count() == 0
}
