//! Standard error, written as well as it can be: its reader may have gone or not read, its disk may be full. Nobody waits for
//! long or ends because of that; what could not be written is counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a reader that does not read is waited for; the next lines are not, until it reads again.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// How long a lost line is reported.
const LOSS_REPORT_WINDOW: Duration = Duration::from_secs(60);

static LOST_LINES: AtomicU64 = AtomicU64::new(0);
/// When a line was lost last, and whether that was the last line. Held while a line is written, so that lines stay whole.
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
    // Whoever writes holds it for a moment; that is no reason to wait.
    let lost = STATE.try_lock().ok()?.lost?;
    let is_recent = lost.elapsed() < LOSS_REPORT_WINDOW;
    is_recent.then(|| format!("log: {} lines could not be written to standard error", lost_lines()))
}

/// A pipe takes so much without waiting when it takes anything (`pipe(7)`, `PIPE_BUF`).
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

/// Whether the descriptor can be written to within that time. One that is broken can: writing says why.
pub(crate) fn is_ready(descriptor: libc::c_int, wait: Duration) -> bool {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid structure, as the count says; a descriptor that is closed is an event.
    unsafe { libc::poll(&raw mut poll, 1, wait.as_millis() as libc::c_int) != 0 }
}
