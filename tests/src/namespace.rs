//! Network namespaces for tests, and interfaces between them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::{self, Guarded};
use crate::sys;

/// Runs ip(8) with these arguments, separated by blanks, in the namespace of this thread.
pub fn ip(arguments: &str) -> Result<()> {
    run(Command::new("ip").args(arguments.split(' ')), arguments)
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "ip {what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A network namespace with its loopback interface up. It is removed when dropped, and its interfaces with it.
#[derive(Debug)]
pub struct Namespace(Child);

impl Namespace {
    /// Creates a namespace with no interface but loopback.
    pub fn new() -> Result<Self> {
        let own = std::fs::read_link("/proc/thread-self/ns/net")?;
        let this = Self(Command::new("unshare").args(["--net", "sleep", "600"]).spawn()?);
        let end = Instant::now() + Duration::from_secs(10);
        while std::fs::read_link(this.path()).is_ok_and(|now| now == own) {
            ensure!(Instant::now() < end, "no network namespace");
            thread::sleep(Duration::from_millis(5));
        }
        this.ip("link set lo up")?;
        Ok(this)
    }

    /// The id of the process that keeps the namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid())
    }

    /// A command that runs in it, as a process of that number from the start.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg(program);
        command
    }

    /// Starts a scenario program here, and waits until it reports that it is ready.
    pub fn start_scenario(&self, arguments: &[&str]) -> Result<Guarded> {
        let scenario = process::binary("scenario")?;
        let mut command = self.command(scenario.to_str().context("path")?);
        let mut started = Guarded::new(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        started.await_ready().with_context(|| format!("{arguments:?}"))?;
        Ok(started)
    }

    /// Runs ip(8) in it.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        run(self.command("ip").args(arguments.split(' ')), arguments)
    }

    /// Calls `work` in the namespace, in a thread of its own.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(self.path())?;
        let enter = || {
            // SAFETY: the descriptor is open, and the call changes nothing but the thread's network namespace.
            sys::check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).context("setns")?;
            work()
        };
        thread::scope(|scope| scope.spawn(enter).join().ok().context("it panicked")?)
    }

    /// Creates a veth pair: `name` in this thread's namespace, `inside` with `address` in the other.
    pub fn pair(&self, name: &str, (inside, address): (&str, &str)) -> Result<()> {
        ip(&format!("link add {name} type veth peer name {inside} netns {}", self.pid()))?;
        self.ip(&format!("addr add {address} dev {inside}"))?;
        self.ip(&format!("link set {inside} up"))?;
        ip(&format!("link set {name} up"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
