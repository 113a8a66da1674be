//! Child processes that cannot outlive or outlast a test.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::sys;

/// A child process that is killed when dropped.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    /// Takes over a child.
    #[must_use]
    pub const fn new(child: Child) -> Self {
        Self { child }
    }

    /// The child itself.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the line by which a scenario says that it is ready. Its standard output must be a pipe.
    pub fn await_ready(&mut self) -> Result<()> {
        let stdout = self.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.trim() == "ready", "the scenario said {line:?}");
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::signal(self.child.id(), signal).with_context(|| format!("signal process {}", self.child.id()))
    }

    /// Waits until it ends, at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!("process {} did not end within {limit:?}", self.child.id());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // This fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of this workspace: `PIDFLOW_BIN_DIR`, else the folder in which cargo put the running test.
pub fn binary(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("PIDFLOW_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => build_folder()?,
    };
    let path = dir.join(name);
    if !path.exists() {
        bail!("{} is not built: cargo build --workspace --bins", path.display());
    }
    Ok(path)
}

/// `target/debug` of a test in `target/debug/deps`, or of a program in `target/debug` itself.
fn build_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let dir = own.parent().context("no folder of the running program")?;
    Ok(if dir.ends_with("deps") { dir.parent().unwrap_or(dir).to_owned() } else { dir.to_owned() })
}

/// The folder in which tests keep what they fetch and install.
#[must_use]
pub fn cache() -> PathBuf {
    let default = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/pidflow");
    std::env::var_os("PIDFLOW_CACHE").map_or_else(default, PathBuf::from)
}
