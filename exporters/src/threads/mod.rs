//! Supervised threads: a thread that panics, or returns without having been stopped, is counted, named to the operator,
//! and restarted. Where a restart is useless, the program is stopped.
//!
//! Threads belong to the process, and so does the list of those that failed: [`Threads::of_process`].

mod panics;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use panics::log_panics;

/// The first pause before a thread is restarted.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause; pauses double from failure to failure.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// A thread that has worked for this long counts as recovered, and begins with [`FIRST_PAUSE`] again.
const STEADY: Duration = Duration::from_secs(60);

/// How a thread's work ended. The error is the reason for an end that was not requested.
pub type Outcome = Result<(), String>;

/// What is known of a thread that has failed at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its name.
    pub thread: String,
    /// Number of restarts.
    pub restarts: u64,
    /// The reason for the last failure.
    pub reason: String,
    /// Time of the last failure.
    pub at: Instant,
    /// Whether it is running again.
    pub is_working: bool,
}

impl Failed {
    /// One line for the operator; none: it has worked for a minute since.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let Self { thread, restarts, reason, .. } = self;
        match self.is_working {
            true if self.at.elapsed() >= STEADY => None,
            true => Some(format!("thread {thread}: started again ({restarts} times so far): {reason}")),
            false => Some(format!("thread {thread}: not running: {reason}")),
        }
    }
}

/// Threads that have failed.
#[derive(Default)]
pub struct Threads {
    failed: Mutex<BTreeMap<String, Failed>>,
    vital: Mutex<FailureHook>,
}

/// What to do when a vital thread fails.
#[derive(Default)]
struct FailureHook {
    reason: Option<String>,
    end: Option<Box<dyn Fn() + Send>>,
}

impl Threads {
    const fn new() -> Self {
        Self { failed: Mutex::new(BTreeMap::new()), vital: Mutex::new(FailureHook { reason: None, end: None }) }
    }

    /// The threads of this process.
    #[must_use]
    pub fn of_process() -> &'static Self {
        static ALL: Threads = Threads::new();
        &ALL
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_vital(&self) -> MutexGuard<'_, FailureHook> {
        self.vital.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work in this thread, and repeats it after failures, until it ends as requested.
    pub fn keep_running(&self, name: &str, work: impl FnMut() -> Outcome) {
        let sleep = |pause| {
            thread::sleep(pause);
            true
        };
        self.keep_running_while(name, sleep, work);
    }

    /// Like [`Self::keep_running`]. `pause` waits before a restart, and returns whether to restart.
    pub fn keep_running_while(
        &self,
        name: &str,
        mut pause: impl FnMut(Duration) -> bool,
        mut work: impl FnMut() -> Outcome,
    ) {
        let mut next = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let Err(reason) = panics::caught(&mut work) else { return };
            if begun.elapsed() >= STEADY {
                next = FIRST_PAUSE;
            }
            tracing::error!("thread {name} failed and is started again in {} s: {reason}", next.as_secs());
            self.note(name, reason);
            if !pause(next) {
                return;
            }
            next = (next * 2).min(MAX_PAUSE);
            self.note_restart(name);
        }
    }

    /// Does the work in this thread. If it fails, the program must end with an error.
    pub fn run_vital(&self, name: &str, work: impl FnOnce() -> Outcome) {
        let mut work = Some(work);
        let Err(reason) = panics::caught(&mut || work.take().map_or(Ok(()), |work| work())) else { return };
        tracing::error!("thread {name} failed, the program ends: {reason}");
        self.note(name, reason.clone());
        let mut vital = self.lock_vital();
        vital.reason.get_or_insert_with(|| format!("thread {name} failed: {reason}"));
        if let Some(end) = &vital.end {
            end();
        }
    }

    /// Notes the failure of a thread that other code restarts.
    pub fn count_restart(&self, name: &str, reason: &str) {
        self.note(name, reason.to_owned());
        self.note_restart(name);
    }

    /// Sets what to do when a vital thread fails. It is done at once if one has failed already.
    pub fn when_vital_fails(&self, end: impl Fn() + Send + 'static) {
        let mut vital = self.lock_vital();
        if vital.reason.is_some() {
            end();
        }
        vital.end = Some(Box::new(end));
    }

    /// Why the program must end with an error; none: it need not.
    #[must_use]
    pub fn vital_failure(&self) -> Option<String> {
        self.lock_vital().reason.clone()
    }

    /// Every thread that has failed, by name.
    #[must_use]
    pub fn failed(&self) -> Vec<Failed> {
        self.lock().values().cloned().collect()
    }

    fn note(&self, name: &str, reason: String) {
        let mut all = self.lock();
        let restarts = all.get(name).map_or(0, |f| f.restarts);
        let failed = Failed { thread: name.to_owned(), restarts, reason, at: Instant::now(), is_working: false };
        all.insert(name.to_owned(), failed);
    }

    fn note_restart(&self, name: &str) {
        if let Some(failed) = self.lock().get_mut(name) {
            failed.restarts += 1;
            failed.is_working = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_thread_that_panics_or_returns_is_named_and_restarted() {
        let threads = Threads::default();
        let (mut turn, mut pauses) = (0, Vec::new());
        let pause = |time| {
            pauses.push(time);
            true
        };
        threads.keep_running_while("work", pause, || {
            turn += 1;
            match turn {
                1 => panic!("number {turn}"),
                2 => Err("the port is gone".into()),
                _ => Ok(()),
            }
        });
        assert_eq!(pauses, [FIRST_PAUSE, FIRST_PAUSE * 2]);
        let all = threads.failed();
        let [failed] = &all[..] else { panic!("{all:?}") };
        assert_eq!((failed.restarts, failed.reason.as_str(), failed.is_working), (2, "the port is gone", true));
        assert!(failed.trouble().unwrap().contains("work"));
        let long_ago = Failed { at: Instant::now().checked_sub(STEADY).unwrap(), ..failed.clone() };
        assert_eq!(long_ago.trouble(), None);
        assert!(Failed { is_working: false, ..long_ago }.trouble().unwrap().contains("not running"));
    }

    #[test]
    fn pauses_are_bounded_and_what_is_not_wanted_is_left() {
        let threads = Threads::default();
        let mut pauses = Vec::new();
        let pause = |time| {
            pauses.push(time);
            pauses.len() < 10
        };
        threads.keep_running_while("work", pause, || panic!("always"));
        assert_eq!((pauses.len(), pauses[9]), (10, MAX_PAUSE));
        assert_eq!(threads.failed()[0].restarts, 9);
        assert!(threads.failed()[0].reason.contains("always"));
    }

    #[test]
    fn a_vital_thread_takes_the_program_with_it() {
        let (threads, ended) = (Threads::default(), Arc::new(AtomicBool::new(false)));
        let theirs = ended.clone();
        threads.when_vital_fails(move || theirs.store(true, Relaxed));
        threads.run_vital("fine", || Ok(()));
        assert_eq!((threads.vital_failure(), ended.load(Relaxed)), (None, false));
        threads.run_vital("packets eth0", || panic!("no"));
        assert!(ended.load(Relaxed) && threads.vital_failure().unwrap().contains("packets eth0"));
        let late = Arc::new(AtomicBool::new(false));
        let theirs = late.clone();
        threads.when_vital_fails(move || theirs.store(true, Relaxed));
        assert!(late.load(Relaxed), "it had failed before");
    }
}
