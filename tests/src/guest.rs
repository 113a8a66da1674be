//! Runs every scenario under every backend inside the virtual machine; prints one line of result for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Ended};
use crate::clock_steps;
use crate::compare;
#[cfg(target_arch = "x86_64")]
use crate::silenced;
use crate::trial::{self, Running};
use crate::truth::Exchange;

/// The scenarios, with the options that an emulated machine can do. `preexisting` comes first, before the agent. Those of
/// one line run side by side: the first ones wait for the kernel most of the time. Meanwhile the machine translates the
/// agent's code, for which it takes seconds; the burst, which would fill the kernel's packet buffer by then, comes last.
///
/// A process takes such a machine 50 to 80 ms of a processor: with more than 12 a second, packets wait until they are dropped.
const SCENARIOS: [&[&str]; 12] = [
    &["comeback", "timeout", "unreachable"],
    &["refused", "unroutable"],
    &["prefork"],
    &["fdpass"],
    &["exec-after-connect"],
    &["threads"],
    &["udp-recv-only"],
    &["udp-connected"],
    &["udp-unconnected"],
    &["netns"],
    &["ping"],
    &["burst --count 160 --rate 10 --ports 10 --at-a-time 4"],
];

/// Stands in the list of backends for the test of steps of the wall clock.
pub const CLOCK: &str = "clock";

/// With a backend behind it, it stands in the list of backends for the test of detached hooks.
pub const SILENCED: &str = "silenced-";

/// Stands in a verdict for the agent itself, where the result concerns no scenario.
pub const AGENT: &str = "agent";

/// The last line of output, printed when everything was tried.
pub const DONE: &str = "PIDFLOW-DONE";

/// One scenario under one backend.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Backend of the agent.
    pub backend: String,
    /// Scenario, or [`AGENT`].
    pub scenario: String,
    /// True when everything that had to be right is right.
    pub passed: bool,
    /// The comparison, or what failed.
    pub text: String,
    /// How long the scenario took; for `agent`, the time until it was ready.
    pub took: Duration,
}

/// Runs everything under each of `backends` (separated by commas).
pub fn run(backends: &str) -> Result<()> {
    for backend in backends.split(',') {
        let begun = Instant::now();
        let failure = |error: anyhow::Error| Verdict::failed(backend, AGENT, begun.elapsed(), &error);
        if backend == CLOCK {
            let outcome = clock_steps::run();
            say(&outcome.map_or_else(failure, |text| Verdict::new(backend, CLOCK, begun.elapsed(), true, text)))?;
            continue;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(of) = backend.strip_prefix(SILENCED) {
            let outcome = silenced::run(of);
            say(&outcome.map_or_else(failure, |text| Verdict::new(backend, SILENCED, begun.elapsed(), true, text)))?;
            continue;
        }
        match trials(backend) {
            Ok(verdicts) => verdicts.iter().try_for_each(say)?,
            Err(error) => say(&failure(error))?,
        }
    }
    println!("{DONE}");
    Ok(())
}

fn say(verdict: &Verdict) -> Result<()> {
    println!("{}", serde_json::to_string(verdict)?);
    Ok(())
}

impl Verdict {
    fn new(backend: &str, scenario: &str, took: Duration, passed: bool, text: String) -> Self {
        Self { backend: backend.to_owned(), scenario: scenario.to_owned(), took, passed, text }
    }

    fn failed(backend: &str, scenario: &str, took: Duration, error: &anyhow::Error) -> Self {
        Self::new(backend, scenario, took, false, format!("{error:#}"))
    }
}

/// One agent sees all scenarios: attaching takes long in an emulated machine.
fn trials(backend: &str) -> Result<Vec<Verdict>> {
    let dir = trial::folder()?;
    let older = Running::prepare(&subfolder(dir.path(), "preexisting")?, "preexisting")?;
    let begun = Instant::now();
    let agent = Agent::start(dir.path(), &["--probes", backend])?;
    let attached = begun.elapsed();
    older.go()?;
    let mut truth = BTreeMap::from([("preexisting", (older.finish()?, begun.elapsed() - attached))]);
    let mut verdicts = Vec::new();
    for group in SCENARIOS {
        let begun = Instant::now();
        let running: Vec<_> = group.iter().map(|scenario| start(dir.path(), scenario, backend)).collect();
        for (name, running) in running {
            match running.and_then(Running::finish) {
                Ok(exchanges) => drop(truth.insert(name, (exchanges, begun.elapsed()))),
                Err(error) => verdicts.push(Verdict::failed(backend, name, begun.elapsed(), &error)),
            }
        }
    }
    let ended = agent.stop()?;
    verdicts.push(Verdict::new(backend, AGENT, attached, true, ended.log.clone()));
    verdicts.extend(truth.iter().map(|(name, (exchanges, took))| judge(backend, name, *took, exchanges, &ended)));
    Ok(verdicts)
}

/// Its name, and the scenario under way.
fn start<'a>(dir: &Path, scenario: &'a str, backend: &str) -> (&'a str, Result<Running>) {
    let name = scenario.split(' ').next().unwrap_or_default();
    // This backend sees that these connects fail, but not why.
    let is_error_unknown = name == "unroutable" && backend == "tracepoint";
    let options = if is_error_unknown { " --error unknown" } else { "" };
    (name, subfolder(dir, name).and_then(|own| Running::start(&own, &format!("{scenario}{options}"))))
}

fn subfolder(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    fs::create_dir(&path)?;
    Ok(path)
}

fn judge(backend: &str, name: &str, took: Duration, truth: &[Exchange], ended: &Ended) -> Verdict {
    let outcome = compare::compare(truth, &ended.records);
    let passed = if name == "burst" { outcome.passes() } else { outcome.perfect() };
    Verdict::new(backend, name, took, passed, outcome.to_string())
}
