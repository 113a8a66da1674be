//! What runs inside the virtual machine: every scenario under every backend, one line of result each on standard output.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Ended};
use crate::clock_steps;
use crate::compare;
use crate::trial::{self, Running};
use crate::truth::Exchange;

/// The scenarios, with the options that an emulated machine can do. `preexisting` comes first, before the agent.
const SCENARIOS: [&str; 14] = [
    "burst --count 500 --rate 20 --ports 10 --at-a-time 4",
    "prefork",
    "fdpass",
    "exec-after-connect",
    "comeback",
    "refused",
    "timeout",
    "threads",
    "udp-recv-only",
    "udp-connected",
    "udp-unconnected",
    "netns",
    "unreachable",
    "ping",
];

/// Stands for a backend in the list of them: the steps of the wall clock instead of the scenarios.
pub const CLOCK: &str = "clock";

/// The last line: everything was tried.
pub const DONE: &str = "PIDFLOW-DONE";

/// One scenario under one backend.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// Backend of the agent.
    pub backend: String,
    /// Scenario, or `agent` for what concerns none.
    pub scenario: String,
    /// All that had to be right is right.
    pub passed: bool,
    /// The comparison, or what failed.
    pub text: String,
}

/// Runs everything under each of `backends` (separated by commas).
pub fn run(backends: &str) -> Result<()> {
    for backend in backends.split(',') {
        if backend == CLOCK {
            let outcome = clock_steps::run();
            let passed = outcome.is_ok();
            say(&Verdict::new(backend, CLOCK, passed, outcome.unwrap_or_else(|error| format!("{error:#}"))))?;
            continue;
        }
        match trials(backend) {
            Ok(verdicts) => verdicts.iter().try_for_each(say)?,
            Err(error) => say(&Verdict::new(backend, "agent", false, format!("{error:#}")))?,
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
    fn new(backend: &str, scenario: &str, passed: bool, text: String) -> Self {
        Self { backend: backend.to_owned(), scenario: scenario.to_owned(), passed, text }
    }
}

/// One agent sees all scenarios: attaching takes long in an emulated machine.
fn trials(backend: &str) -> Result<Vec<Verdict>> {
    let dir = trial::folder()?;
    let older = Running::prepare(&subfolder(dir.path(), "preexisting")?, "preexisting")?;
    let agent = Agent::start(dir.path(), &["--probes", backend])?;
    older.go()?;
    let mut truth = BTreeMap::from([("preexisting".to_owned(), older.finish()?)]);
    let mut verdicts = Vec::new();
    for scenario in SCENARIOS {
        let name = scenario.split(' ').next().unwrap_or_default();
        match Running::start(&subfolder(dir.path(), name)?, scenario).and_then(Running::finish) {
            Ok(exchanges) => drop(truth.insert(name.to_owned(), exchanges)),
            Err(error) => verdicts.push(Verdict::new(backend, name, false, format!("{error:#}"))),
        }
    }
    let ended = agent.stop()?;
    verdicts.push(Verdict::new(backend, "agent", true, ended.log.clone()));
    verdicts.extend(truth.iter().map(|(name, exchanges)| judge(backend, name, exchanges, &ended)));
    Ok(verdicts)
}

fn subfolder(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    fs::create_dir(&path)?;
    Ok(path)
}

fn judge(backend: &str, name: &str, truth: &[Exchange], ended: &Ended) -> Verdict {
    let outcome = compare::compare(truth, &ended.records);
    let passed = if name == "burst" { outcome.passes() } else { outcome.perfect() };
    Verdict::new(backend, name, passed, outcome.to_string())
}
