//! The thread that tests a running agent.

use std::io;
use std::thread;
use std::time::Duration;

use super::outcome::Outcome;
use super::round::Bench;
use crate::privileges::Role;
use crate::threads;

/// Starts testing, at once and then at this interval.
///
/// # Errors
/// No thread can be started.
pub(crate) fn start(bench: Bench, interval: Duration) -> io::Result<Outcome> {
    let outcome = Outcome::default();
    let told = outcome.clone();
    threads::spawn_as(Role::SelfTest, "self-test", move || {
        loop {
            told.take(bench.hooks(), bench.test());
            thread::sleep(interval);
        }
    })?;
    Ok(outcome)
}
