//! The self-test thread of a running agent.

use std::io;
use std::thread;
use std::time::Duration;

use super::outcome::Outcome;
use super::round::Bench;
use crate::privileges::Role;
use crate::threads;

/// Starts a thread that tests all hooks at once and then at this interval.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(bench: Bench, interval: Duration) -> io::Result<Outcome> {
    let outcome = Outcome::default();
    let shared = outcome.clone();
    threads::spawn_as(Role::SelfTest, "self-test", move || {
        loop {
            shared.take(bench.hooks(), bench.test());
            thread::sleep(interval);
        }
    })?;
    Ok(outcome)
}
