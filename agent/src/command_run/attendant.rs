//! Starts the command once everything is attached, waits for its end and for that of the processes that it leaves in
//! the background, and then stops the pipeline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Receiver, bounded};

use super::{NotRun, Outcome, Prepared, Watch};
use crate::clock::engine_ns;
use crate::privileges::Role;
use crate::signals::Stop;
use crate::threads;

/// How long the kernel's report of the command's end may take.
const MAX_EXIT_DELAY: Duration = Duration::from_secs(1);
/// How long the last packets of closed connections may be on their way.
const LAST_PACKETS: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A command that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// When it was started, engine's time, nanoseconds.
    pub(crate) started_ns: u64,
    /// When its end was noticed.
    pub(crate) ended_ns: u64,
}

/// What came of it: it did not run, or it has ended, or the kernel does not say.
pub(crate) type Ending = Result<Result<Ran, NotRun>>;

/// The thread that attends to the command.
#[derive(Debug)]
pub(crate) struct Attendant {
    /// The command's processes.
    pub(crate) watch: Watch,
    /// Stops the pipeline.
    pub(crate) stop: Stop,
    /// How long to wait for processes in the background.
    pub(crate) linger: Duration,
}

impl Attendant {
    /// Starts the thread. Its answer comes before the pipeline is asked to stop.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(self, prepared: Prepared) -> Result<Receiver<Ending>> {
        let (sender, ending) = bounded(1);
        threads::spawn_vital("command", move || {
            Role::Command.enter_or_warn();
            let ended = attend(prepared);
            if matches!(ended, Ok(Ok(_))) {
                self.wait_for_the_rest();
            }
            // The receiver exists as long as the pipeline runs.
            let _ = sender.send(ended);
            self.stop.request();
            Ok(())
        })?;
        Ok(ending)
    }

    fn wait_for_the_rest(&self) {
        let begun = Instant::now();
        let wait = |limit: Duration, is_over: &dyn Fn() -> bool| {
            while !is_over() && begun.elapsed() < limit && !self.stop.requested() {
                thread::sleep(POLL_INTERVAL);
            }
        };
        wait(MAX_EXIT_DELAY, &|| self.watch.root_has_ended());
        wait(self.linger, &|| self.watch.running() == 0);
        thread::sleep(LAST_PACKETS);
    }
}

fn attend(prepared: Prepared) -> Ending {
    let (child, started_ns) = (prepared.child(), engine_ns());
    if let Err(not_run) = prepared.begin() {
        child.wait()?;
        return Ok(Err(not_run));
    }
    let outcome = child.wait()?;
    Ok(Ok(Ran { outcome, started_ns, ended_ns: engine_ns() }))
}
