//! Writes to standard error on a best-effort basis: its reader may be gone or not reading, and its disk may be full. No
//! thread waits for long or ends because of that; lines that cannot be written are counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for a reader that does not read. Further lines do not wait until it reads again.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// How long a lost line is reported.
const LOSS_REPORT_WINDOW: Duration = Duration::from_secs(60);

static LOST_LINES: AtomicU64 = AtomicU64::new(0);
/// When a line was last lost, and whether that was the last line. The lock is held while a line is written, so that
/// lines are not mixed.
static STATE: Mutex<State> = Mutex::new(State { lost: None, is_stuck: false });

struct State {
    lost: Option<Instant>,
    is_stuck: bool,
}

/// Writes whole lines, or counts them as lost.
pub(crate) fn write(text: &[u8]) {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = if state.is_stuck { Duration::ZERO } else { MAX_WAIT };
    state.is_stuck = write_within(text, wait).is_err();
    if state.is_stuck {
        state.lost = Some(Instant::now());
        let lines = text.iter().filter(|octet| **octet == b'\n').count().max(1);
        LOST_LINES.fetch_add(lines as u64, Relaxed);
    }
}

/// Writes a text of one line or several.
pub(crate) fn say(text: &str) {
    write(format!("{text}\n").as_bytes());
}

/// Lines that could not be written since the start.
pub(crate) fn lost_lines() -> u64 {
    LOST_LINES.load(Relaxed)
}

/// One line for the operator when lines were lost within the last minute.
pub(crate) fn trouble() -> Option<String> {
    // A writing thread holds the lock only briefly, so this does not wait for it.
    let lost = STATE.try_lock().ok()?.lost?;
    let is_recent = lost.elapsed() < LOSS_REPORT_WINDOW;
    is_recent.then(|| format!("log: {} lines could not be written to standard error", lost_lines()))
}

/// A pipe that is ready accepts this many bytes without blocking (`pipe(7)`, `PIPE_BUF`).
fn write_within(text: &[u8], wait: Duration) -> io::Result<()> {
    let end = Instant::now() + wait;
    let mut stderr = io::stderr();
    for piece in text.chunks(libc::PIPE_BUF) {
        if !is_ready(libc::STDERR_FILENO, end.saturating_duration_since(Instant::now())) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stderr.write_all(piece)?;
    }
    Ok(())
}

/// Whether the descriptor can be written to within that time. A broken one counts as writable: the write then returns
/// the error.
pub(crate) fn is_ready(descriptor: libc::c_int, wait: Duration) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid structure, as the count says; a descriptor that is closed is an event.
    unsafe { libc::poll(&raw mut poll, 1, wait.as_millis() as libc::c_int) != 0 }
}
