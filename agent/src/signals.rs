//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends at once. SIGHUP: a reload, or as those.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::Sender;
use pidflow_exporters::threads::Threads;

use crate::live_view::terminal;
use crate::privileges::Role;
use crate::threads;

const WATCHED: [libc::c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// timeout(1), and others that pass signals on, send the same one to the process and to its group: a signal so soon
/// after the first is not a second request.
const REPEAT_WINDOW: Duration = Duration::from_millis(300);

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

/// The signals, held back from the moment it was made; to be made before any other thread starts, because threads
/// inherit the mask.
pub(crate) struct HeldSignals(libc::sigset_t);

impl HeldSignals {
    /// Holds them back.
    pub(crate) fn new() -> Result<Self> {
        blocked().map(Self)
    }

    /// Watches from a thread of its own: at the first signal [`Stop`] is set and `then` is done; it is set too when a vital
    /// thread fails. Where there is a `reload`, SIGHUP is passed on there instead.
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
            terminal::leave();
            std::process::exit(128 + signal);
        };
        threads::spawn_vital("signals", wait)?;
        let theirs = stop.clone();
        Threads::of_process().when_vital_fails(move || theirs.request());
        Ok(stop)
    }
}

/// Waits for a signal that is not the first one's echo.
fn wait_longer(set: &libc::sigset_t, first: Instant, reload: Option<&Sender<()>>) -> libc::c_int {
    loop {
        let signal = wait_for_end(set, reload);
        if first.elapsed() > REPEAT_WINDOW {
            return signal;
        }
    }
}

fn blocked() -> Result<libc::sigset_t> {
    // SAFETY: sigset_t is plain numbers; sigemptyset sets it up before it is used.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a sigset_t that outlives the call.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in WATCHED {
        // SAFETY: as above, and the signal numbers are the C library's own.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: set was initialised above; the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    anyhow::ensure!(error == 0, "cannot block signals: {}", std::io::Error::from_raw_os_error(error));
    Ok(set)
}

/// Waits for a signal that is to end the program.
fn wait_for_end(set: &libc::sigset_t, reload: Option<&Sender<()>>) -> libc::c_int {
    loop {
        match (wait_for(set), reload) {
            // One that waits already will see what this one is about.
            (libc::SIGHUP, Some(reload)) => drop(reload.try_send(())),
            (signal, _) => return signal,
        }
    }
}

fn wait_for(set: &libc::sigset_t) -> libc::c_int {
    let mut signal = 0;
    // SAFETY: both pointers are of values that live through the call.
    while unsafe { libc::sigwait(set, &raw mut signal) } != 0 {}
    signal
}
