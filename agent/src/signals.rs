//! SIGTERM and SIGINT: the first one requests an orderly end, the second one ends the program at once. SIGHUP requests
//! a reload if there is anything to reload, and is otherwise handled like them.
//!
//! They are blocked in every thread, and one thread waits for them. A signal handler, such as signal-hook installs,
//! would run in any thread: it would interrupt that thread's system calls (EINTR), and make calls that the thread's
//! seccomp filter denies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam_channel::Sender;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use pidflow_exporters::threads::{Outcome, Threads};

use crate::live_view::terminal;
use crate::privileges::Role;
use crate::threads;

/// SIGTSTP stops the program, after the terminal was restored.
const WATCHED: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGTSTP];
/// Blocked too: the thread of the view alone accepts SIGWINCH, and SIGCONT is waited for after a stop.
const BLOCKED: [Signal; 2] = [Signal::SIGWINCH, Signal::SIGCONT];

/// Passed on to a command.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
];
/// Those that ask for the end.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// A signal for a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// The signal.
    pub(crate) signal: Signal,
    /// The terminal's driver sent it (Ctrl-C), to the whole process group in the foreground.
    pub(crate) is_of_terminal: bool,
}

/// timeout(1), and others that pass signals on, send the same one to the process and to its group: a signal so soon
/// after the first is not a second request.
const REPEAT_WINDOW: Duration = Duration::from_millis(300);

/// Makes a write beyond the limit on the size of files (`RLIMIT_FSIZE`) fail like one to a full disk; by default the kernel
/// ends the program. It must be called before any other thread starts.
pub(crate) fn survive_file_size_limit() {
    // This fails only for a number that is no signal.
    let _ = SigSet::from_iter([Signal::SIGXFSZ]).thread_block();
}

/// Undoes [`survive_file_size_limit`], in a process that becomes another program.
pub(crate) fn obey_file_size_limit() {
    let _ = SigSet::from_iter([Signal::SIGXFSZ]).thread_unblock();
}

/// Becomes true when the program is asked to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether to end.
    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks for the end.
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The signals, blocked from the creation of this value on. It must be created before any other thread starts, because
/// threads inherit the mask.
pub(crate) struct HeldSignals(SigSet);

impl HeldSignals {
    /// Blocks the signals.
    pub(crate) fn new() -> Result<Self> {
        let set = SigSet::from_iter(WATCHED);
        SigSet::from_iter(WATCHED.into_iter().chain(BLOCKED)).thread_block().context("cannot block signals")?;
        Ok(Self(set))
    }

    /// Blocks the signals that are passed on to a command.
    pub(crate) fn for_command() -> Result<Self> {
        let set = SigSet::from_iter(PASSED_ON);
        SigSet::from_iter(PASSED_ON.into_iter().chain(BLOCKED)).thread_block().context("cannot block signals")?;
        Ok(Self(set))
    }

    /// Passes them on in a separate thread. When `pass` returns false, the command has ended: then the first signal to end
    /// sets [`Stop`], and a later one ends the program. [`Stop`] is also set when a vital thread fails.
    pub(crate) fn pass_on(self, pass: impl Fn(Received) -> bool + Send + 'static) -> Result<Stop> {
        let received = SignalFd::new(&self.0).context("cannot wait for signals")?;
        let stop = Stop::default();
        let theirs = stop.clone();
        let wait = move || {
            Role::Command.enter_or_warn();
            receive_after_end(&received, &pass);
            theirs.request();
            let first = Instant::now();
            let signal = loop {
                let signal = receive_after_end(&received, &pass);
                if first.elapsed() > REPEAT_WINDOW {
                    break signal;
                }
            };
            std::process::exit(128 + signal as i32);
        };
        Self::start(wait, &stop)?;
        Ok(stop)
    }

    /// Watches in a separate thread. At the first signal, [`Stop`] is set and `then` is called; [`Stop`] is also set
    /// when a vital thread fails. If there is a `reload`, SIGHUP is passed to it instead.
    pub(crate) fn watch(self, reload: Option<Sender<()>>, then: impl FnOnce() + Send + 'static) -> Result<Stop> {
        let stop = Stop::default();
        let theirs = stop.clone();
        let wait = move || {
            Role::Signals.enter_or_warn();
            wait_for_end(&self.0, reload.as_ref());
            theirs.request();
            let first = Instant::now();
            then();
            let signal = wait_longer(&self.0, first, reload.as_ref());
            let _ = terminal::leave();
            std::process::exit(128 + signal as i32);
        };
        Self::start(wait, &stop)?;
        Ok(stop)
    }

    fn start(wait: impl FnOnce() -> Outcome + Send + 'static, stop: &Stop) -> Result<()> {
        threads::spawn_vital("signals", wait)?;
        let theirs = stop.clone();
        Threads::of_process().when_vital_fails(move || theirs.request());
        Ok(())
    }
}

/// Waits for a signal that asks for the end, and of which `pass` says that the command has ended.
fn receive_after_end(from: &SignalFd, pass: &impl Fn(Received) -> bool) -> Signal {
    loop {
        let Ok(Some(info)) = from.read_signal() else { continue };
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        let Ok(signal) = Signal::try_from(number) else { continue };
        let is_of_terminal = info.ssi_code == libc::SI_KERNEL;
        if !pass(Received { signal, is_of_terminal }) && ENDING.contains(&signal) {
            return signal;
        }
    }
}

/// Waits for a signal that is not a copy of the first one.
fn wait_longer(set: &SigSet, first: Instant, reload: Option<&Sender<()>>) -> Signal {
    loop {
        let signal = wait_for_end(set, reload);
        if first.elapsed() > REPEAT_WINDOW {
            return signal;
        }
    }
}

/// Waits for a signal that must end the program.
fn wait_for_end(set: &SigSet, reload: Option<&Sender<()>>) -> Signal {
    loop {
        match (wait_for(set), reload) {
            // If a reload is already pending, it will read this change too.
            (Signal::SIGHUP, Some(reload)) => drop(reload.try_send(())),
            (Signal::SIGTSTP, _) => suspend(),
            (signal, _) => return signal,
        }
    }
}

/// Stops the process as Ctrl-Z does, with the terminal restored until it goes on.
fn suspend() {
    let had_view = terminal::leave();
    stop_this_process();
    if had_view {
        terminal::enter();
    }
}

/// Stops all threads until SIGCONT.
pub(crate) fn stop_this_process() {
    // Other threads may take the signal, so this one may still run for a while: only SIGCONT says that it is over. The
    // kernel forgets an earlier one when the process is stopped.
    if kill(Pid::this(), Signal::SIGSTOP).is_ok() {
        wait_for(&SigSet::from(Signal::SIGCONT));
    }
}

fn wait_for(set: &SigSet) -> Signal {
    loop {
        if let Ok(signal) = set.wait() {
            return signal;
        }
    }
}
