//! Runs one scenario while an agent observes it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::agent::{Agent, Ended};
use crate::compare::{self, Outcome};
use crate::process::{self, Guarded};
use crate::truth::{self, Exchange};

/// The longest scenario takes 15 s on an idle machine, and a minute in an emulated one that has two processors to
/// itself.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(400);

/// A scenario that runs, or waits for [`Running::go`].
#[derive(Debug)]
pub struct Running {
    process: Guarded,
    truth: PathBuf,
    go: PathBuf,
    /// The file with its standard error, which has the reason of a failure.
    log: PathBuf,
}

impl Running {
    /// Starts `scenario` (its name and options), which leaves its truth in `dir`.
    pub fn start(dir: &Path, scenario: &str) -> Result<Self> {
        Self::spawn(dir, scenario, false)
    }

    /// Starts `scenario` and returns when it is ready and waits for [`Running::go`].
    pub fn prepare(dir: &Path, scenario: &str) -> Result<Self> {
        let mut running = Self::spawn(dir, scenario, true)?;
        running.await_ready()?;
        Ok(running)
    }

    fn spawn(dir: &Path, scenario: &str, waits: bool) -> Result<Self> {
        let (truth, go, log) = (dir.join("truth.jsonl"), dir.join("go"), dir.join("scenario.log"));
        let mut command = Command::new(process::binary("scenario")?);
        command.args(scenario.split_whitespace()).arg("--truth").arg(&truth);
        if waits {
            command.arg("--go").arg(&go);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn();
        Ok(Self { process: Guarded::new(child.context("start scenario")?), truth, go, log })
    }

    /// Waits for the line by which a scenario says that it is ready.
    pub fn await_ready(&mut self) -> Result<()> {
        self.process.await_ready()
    }

    /// Lets a prepared scenario go on.
    pub fn go(&self) -> Result<()> {
        fs::write(&self.go, "").context("write the go file")
    }

    /// Ends a scenario that goes on until its standard input ends.
    pub fn end(mut self) -> Result<Vec<Exchange>> {
        drop(self.process.child().stdin.take());
        self.finish()
    }

    /// Waits for its end and reads its truth.
    pub fn finish(mut self) -> Result<Vec<Exchange>> {
        let status = self.process.wait(SCENARIO_TIMEOUT)?;
        if !status.success() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("the scenario ended with {status}; it said:\n{log}");
        }
        truth::read(&self.truth)
    }
}

/// The outcome of a trial.
#[derive(Debug)]
pub struct Trial {
    /// The ground truth.
    pub truth: Vec<Exchange>,
    /// The agent's records and log.
    pub ended: Ended,
    /// The comparison of both.
    pub outcome: Outcome,
}

/// Runs `scenario` from beginning to end while the agent runs with `arguments`.
pub fn observe(scenario: &str, arguments: &[&str]) -> Result<Trial> {
    let dir = folder()?;
    let agent = Agent::start(dir.path(), arguments)?;
    let truth = Running::start(dir.path(), scenario)?.finish()?;
    Ok(judge(truth, agent.stop()?))
}

/// As [`observe`], with the agent started through another program in a folder that belongs to user and group `owner`.
pub fn observe_by(by: &[&str], owner: u32, scenario: &str, arguments: &[&str]) -> Result<Trial> {
    let dir = folder()?;
    let agents = dir.path().join("agent");
    fs::create_dir(&agents)?;
    std::os::unix::fs::chown(&agents, Some(owner), Some(owner))?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let folder = agents.to_str().context("the folder's name")?;
    let by: Vec<_> = by.iter().map(|word| if *word == "FOLDER" { folder } else { word }).collect();
    let agent = Agent::start_by(&by, &agents, arguments)?;
    ensure!(fs::metadata(agent.json())?.uid() == owner, "the agent does not run as user {owner}");
    let truth = Running::start(dir.path(), scenario)?.finish()?;
    Ok(judge(truth, agent.stop()?))
}

/// As [`observe`], but the agent goes on for `time` after the scenario.
pub fn observe_longer(scenario: &str, arguments: &[&str], time: Duration) -> Result<Trial> {
    let dir = folder()?;
    let agent = Agent::start(dir.path(), arguments)?;
    let truth = Running::start(dir.path(), scenario)?.finish()?;
    thread::sleep(time);
    Ok(judge(truth, agent.stop()?))
}

/// As [`observe`], but the scenario prepares its sockets before the agent starts.
pub fn observe_later(scenario: &str, arguments: &[&str]) -> Result<Trial> {
    let dir = folder()?;
    let running = Running::prepare(dir.path(), scenario)?;
    let agent = Agent::start(dir.path(), arguments)?;
    running.go()?;
    let truth = running.finish()?;
    Ok(judge(truth, agent.stop()?))
}

/// As [`observe_later`], with the agent in the network namespace that the scenario made.
pub fn observe_within(scenario: &str, arguments: &[&str]) -> Result<Trial> {
    let dir = folder()?;
    let running = Running::prepare(dir.path(), scenario)?;
    let agent = Agent::start_beside(running.process.pid(), dir.path(), arguments)?;
    running.go()?;
    let truth = running.finish()?;
    Ok(judge(truth, agent.stop()?))
}

/// A folder for one trial.
pub fn folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("pidflow-trial").tempdir().context("make a folder for the trial")
}

fn judge(truth: Vec<Exchange>, ended: Ended) -> Trial {
    let outcome = compare::compare(&truth, &ended.records);
    Trial { truth, ended, outcome }
}
