//! A running agent (`pidflow run`) for tests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{self, Guarded};
use crate::records::{self, Record};
use crate::sys;

/// Attaching everything takes a second; in an emulated machine the verifier of Linux 6.1 needs more than a minute, and
/// three where others run beside it.
const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running agent whose probes and captures are attached.
#[derive(Debug)]
pub struct Agent {
    process: Guarded,
    lines: Receiver<String>,
    log: Vec<String>,
    json: PathBuf,
}

/// The output of an agent that ended with exit status 0.
#[derive(Debug)]
pub struct Ended {
    /// All its records.
    pub records: Vec<Record>,
    /// Its standard error.
    pub log: String,
    /// Wall time at which the signal to stop was sent, nanoseconds since the epoch.
    pub told_ns: u64,
    /// How long it took to end.
    pub took: Duration,
}

impl Agent {
    /// Starts `pidflow run` with records going to a file in `dir`, and waits until it says that it is ready.
    pub fn start(dir: &Path, arguments: &[&str]) -> Result<Self> {
        Self::spawn(dir, Command::new(process::binary("pidflow")?), arguments)
    }

    /// As [`Agent::start`], in the network namespace of the process `pid`.
    pub fn start_beside(pid: u32, dir: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid.to_string(), "--net"]).arg(process::binary("pidflow")?);
        Self::spawn(dir, command, arguments)
    }

    /// As [`Agent::start`], through another program that takes the command as its last arguments, such as setpriv(1).
    pub fn start_by(by: &[&str], dir: &Path, arguments: &[&str]) -> Result<Self> {
        let (program, before) = by.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(before).arg(process::binary("pidflow")?);
        Self::spawn(dir, command, arguments)
    }

    fn spawn(dir: &Path, mut command: Command, arguments: &[&str]) -> Result<Self> {
        let json = dir.join("records.jsonl");
        let child = command
            .args(["run", "--listen", "127.0.0.1:0", "--json"])
            .arg(&json)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start pidflow")?;
        let mut process = Guarded::new(child);
        let stderr = process.child().stderr.take().context("no standard error")?;
        let mut agent = Self { process, lines: read_lines(stderr), log: Vec::new(), json };
        agent.await_ready()?;
        Ok(agent)
    }

    /// The file with its records.
    #[must_use]
    pub fn json(&self) -> &Path {
        &self.json
    }

    /// The agent's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How many bytes of records it has written so far.
    pub fn written(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.json)?.len())
    }

    fn await_ready(&mut self) -> Result<()> {
        let until = Instant::now() + START_LIMIT;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let ready = line.contains("ready");
                    self.log.push(line);
                    if ready {
                        return Ok(());
                    }
                }
                Err(_) => bail!("pidflow did not become ready; its log:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Ends the agent with SIGTERM.
    pub fn stop(mut self) -> Result<Ended> {
        let (told_ns, start) = (sys::now_ns(), Instant::now());
        self.process.signal(libc::SIGTERM)?;
        let status = self.process.wait(STOP_LIMIT)?;
        let took = start.elapsed();
        self.log.extend(self.lines.iter());
        let log = self.log.join("\n");
        if !status.success() {
            bail!("pidflow ended with {status}; its log:\n{log}");
        }
        Ok(Ended { records: records::read(&self.json)?, log, told_ns, took })
    }

    /// Ends the agent with SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.process.signal(libc::SIGKILL)?;
        self.process.wait(STOP_LIMIT)?;
        Ok(())
    }
}

fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
