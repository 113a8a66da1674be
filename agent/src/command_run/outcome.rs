//! How the command ended, and the exit codes that shells use for it.

use rustix::process::WaitIdStatus;
use serde::Serialize;

/// The agent itself failed, as with env(1) and timeout(1).
pub(crate) const OWN_FAILURE: u8 = 125;
/// The command was found but cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// There is no such command.
pub(super) const NOT_FOUND: u8 = 127;
/// A process that signal N ended has the code 128 + N.
const SIGNALLED: u8 = 128;

/// Why the command did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotRun {
    /// Exit code.
    pub(crate) code: u8,
    /// The reason.
    pub(crate) reason: String,
}

impl NotRun {
    pub(super) fn own(reason: &str) -> Self {
        Self { code: OWN_FAILURE, reason: reason.to_owned() }
    }

    /// Reads what the child wrote: code and reason. None: nothing failed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (code, reason) = text.split_once(' ')?;
        Some(Self { code: code.parse().ok()?, reason: reason.to_owned() })
    }
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// The exit code; none: a signal ended it.
    pub(crate) exit_code: Option<u8>,
    /// The number of the signal that ended it.
    pub(crate) signal: Option<u8>,
}

impl Outcome {
    pub(super) fn of(status: &WaitIdStatus) -> Self {
        let low = |n: i32| n.to_le_bytes()[0];
        Self { exit_code: status.exit_status().map(low), signal: status.terminating_signal().map(low) }
    }

    /// The code that a shell shows for it.
    pub(crate) fn code(self) -> u8 {
        let signalled = self.signal.map(|signal| SIGNALLED.wrapping_add(signal));
        signalled.or(self.exit_code).unwrap_or(OWN_FAILURE)
    }
}
