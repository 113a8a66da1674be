//! The agent's threads. Every unexpected end is noticed.

use std::io;
use std::path::PathBuf;
use std::thread::{Builder, JoinHandle};

use anyhow::{Result, anyhow};
use pidflow_exporters::threads::{Outcome, Threads};

use crate::privileges::Role;

/// Starts a thread that is restarted when its work panics or fails.
pub(crate) fn spawn(name: &str, mut work: impl FnMut() -> Outcome + Send + 'static) -> io::Result<JoinHandle<()>> {
    let known_as = name.to_owned();
    start(name, move || Threads::of_process().keep_running(&known_as, &mut work))
}

/// Like [`spawn`], with the rights of that role only.
pub(crate) fn spawn_as(
    role: Role,
    name: &str,
    mut work: impl FnMut() -> Outcome + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let known_as = name.to_owned();
    start(name, move || {
        // Only once: rights that were given up are gone when the work is restarted.
        role.enter_or_warn();
        Threads::of_process().keep_running(&known_as, &mut work);
    })
}

/// Like [`spawn_as`]; the thread may also read, or as its role says write, below that folder.
pub(crate) fn spawn_for(
    role: Role,
    name: &str,
    folder: PathBuf,
    mut work: impl FnMut() -> Outcome + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let known_as = name.to_owned();
    start(name, move || {
        role.enter_for_or_warn(&[folder]);
        Threads::of_process().keep_running(&known_as, &mut work);
    })
}

/// Starts a vital thread: when its work panics or fails, the agent ends with an error.
pub(crate) fn spawn_vital(name: &str, work: impl FnOnce() -> Outcome + Send + 'static) -> io::Result<JoinHandle<()>> {
    let known_as = name.to_owned();
    start(name, move || Threads::of_process().run_vital(&known_as, work))
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // The kernel cuts names at 15 bytes.
    let started = Builder::new().name(name.into()).spawn(run);
    started.map_err(|e| io::Error::new(e.kind(), format!("cannot start the thread {name}: {e}")))
}

/// Checks that no vital thread has failed.
///
/// # Errors
/// A vital thread has failed.
pub(crate) fn check_vital() -> Result<()> {
    Threads::of_process().vital_failure().map_or(Ok(()), |reason| Err(anyhow!(reason)))
}

/// One line for each thread that is not running, or was restarted within the last minute.
pub(crate) fn troubles() -> Vec<String> {
    Threads::of_process().failed().iter().filter_map(pidflow_exporters::threads::Failed::trouble).collect()
}

/// Number of restarts by thread name, without threads that never failed.
pub(crate) fn restarts() -> Vec<(String, u64)> {
    Threads::of_process().failed().into_iter().map(|f| (f.thread, f.restarts)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    static TURNS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_thread_that_panics_is_named_and_started_again() {
        let work = || {
            assert_ne!(TURNS.fetch_add(1, Relaxed), 0, "the first turn");
            Ok(())
        };
        spawn("panics once", work).unwrap().join().unwrap();
        assert_eq!(TURNS.load(Relaxed), 2);
        assert!(restarts().contains(&("panics once".to_owned(), 1)), "{:?}", restarts());
        let named = |line: &String| line.contains("panics once") && line.contains("the first turn");
        assert!(troubles().iter().any(named), "{:?}", troubles());
        assert!(check_vital().is_ok());
    }
}
