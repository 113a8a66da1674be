//! The command as a child process.
//!
//! It is forked before the agent gives up privileges and starts threads, so that nothing of the agent reaches it:
//! neither its capabilities nor seccomp, Landlock, `no_new_privs`, blocked signals or open files. It waits until
//! everything is attached, and only then executes the command.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{ForkResult, Pid, fork};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::invoker::Invoker;
use super::outcome::{NOT_EXECUTABLE, NOT_FOUND, NotRun, OWN_FAILURE, Outcome};
use crate::signals::{self, Received};

/// A process that waits to execute the command.
#[derive(Debug)]
pub(crate) struct Prepared {
    child: Child,
    go: PipeWriter,
    failure: PipeReader,
}

/// Forks the process. No other thread may have been started yet.
///
/// # Errors
/// The kernel refuses, or sudo's variables are wrong.
pub(crate) fn prepare(command: &[OsString]) -> Result<Prepared> {
    let invoker = Invoker::find(|name| std::env::var_os(name))?;
    let (go_read, go) = pipe()?;
    let (failure, failure_write) = pipe()?;
    // SAFETY: there are no other threads, so that the child may do whatever this process may do.
    match unsafe { fork() }.context("cannot start a process for the command")? {
        ForkResult::Parent { child } => {
            // If the agent's parent ignores it, the kernel forgets how the command ended.
            // SAFETY: the default is no handler.
            let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
            Ok(Prepared { child: Child::new(child), go, failure })
        }
        ForkResult::Child => {
            drop((go, failure));
            std::process::exit(run(command, invoker.as_ref(), (go_read, failure_write)))
        }
    }
}

/// In the child: waits, and executes the command. Returns the exit code if that fails.
fn run(command: &[OsString], invoker: Option<&Invoker>, pipes: (PipeReader, PipeWriter)) -> i32 {
    let (mut go, mut failure) = pipes;
    if go.read_exact(&mut [0]).is_err() {
        // The agent could not start, and has said so.
        return OWN_FAILURE.into();
    }
    let e = execute(command, invoker);
    let _ = failure.write_all(format!("{} {}", e.code, e.reason).as_bytes());
    e.code.into()
}

fn execute(command: &[OsString], invoker: Option<&Invoker>) -> NotRun {
    let Some((program, arguments)) = command.split_first() else { return NotRun::own("there is no command") };
    signals::obey_file_size_limit();
    let mut it = Command::new(program);
    it.args(arguments);
    if let Some(Err(e)) = invoker.map(|invoker| invoker.enter(&mut it)) {
        return NotRun::own(&format!("cannot become the user who called sudo: {e:#}"));
    }
    let e = it.exec();
    let code = if e.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    NotRun { code, reason: e.to_string() }
}

impl Prepared {
    /// The process, which will be the command.
    pub(crate) fn child(&self) -> Child {
        self.child.clone()
    }

    /// Lets it execute the command, and waits until it has.
    ///
    /// # Errors
    /// The command cannot be executed.
    pub(crate) fn begin(mut self) -> Result<(), NotRun> {
        // A process that was ended by a signal while it waited does not read; how it ended is seen later.
        let _ = self.go.write_all(&[1]);
        let mut failure = String::new();
        let _ = self.failure.read_to_string(&mut failure);
        NotRun::parse(&failure).map_or(Ok(()), Err)
    }
}

/// The running command. Clones are the same process.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pid: Pid,
    /// None: it has been waited for, and its number may be another process's.
    alive: Arc<Mutex<Option<Pid>>>,
}

impl Child {
    fn new(pid: Pid) -> Self {
        Self { pid, alive: Arc::new(Mutex::new(Some(pid))) }
    }

    /// Its process number in the agent's PID namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Passes a signal on. False: the command has ended. What the terminal sends (Ctrl-C) has reached the command already,
    /// because it is in the same process group.
    pub(crate) fn pass(&self, received: Received) -> bool {
        received.is_of_terminal && self.alive().is_some() || self.signal(received.signal)
    }

    /// Sends it a signal. False: it has ended.
    fn signal(&self, signal: Signal) -> bool {
        let alive = self.alive();
        if let Some(Err(e)) = alive.map(|pid| kill(pid, signal)) {
            tracing::warn!("cannot pass {signal} on to the command: {e}");
        }
        alive.is_some()
    }

    /// While the guard is held, the number is not another process's.
    fn alive(&self) -> MutexGuard<'_, Option<Pid>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has ended. While it is stopped (Ctrl-Z), this process is stopped too, so that the shell notices.
    ///
    /// # Errors
    /// The kernel does not know the process.
    pub(crate) fn wait(&self) -> Result<Outcome> {
        loop {
            let status = self.status(WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT)?;
            if status.stopped() {
                self.stop_with_it()?;
                continue;
            }
            let mut alive = self.alive();
            *alive = None;
            let status = self.status(WaitIdOptions::EXITED)?;
            return Ok(Outcome::of(&status));
        }
    }

    /// Stops this process; when it continues, so does the child.
    fn stop_with_it(&self) -> Result<()> {
        let took = waitid(self.id()?, WaitIdOptions::STOPPED | WaitIdOptions::NOHANG)?;
        if took.is_some() {
            signals::stop_this_process();
            // A shell continues the whole process group, others this process alone.
            self.signal(Signal::SIGCONT);
        }
        Ok(())
    }

    fn status(&self, options: WaitIdOptions) -> Result<WaitIdStatus> {
        loop {
            match waitid(self.id()?, options) {
                Ok(Some(status)) => return Ok(status),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e).context("cannot wait for the command"),
            }
        }
    }

    fn id(&self) -> Result<WaitId<'static>> {
        let pid = rustix::process::Pid::from_raw(self.pid.as_raw()).context("no process")?;
        Ok(WaitId::Pid(pid))
    }
}
