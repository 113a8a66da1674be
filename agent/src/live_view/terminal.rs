//! The terminal: its modes, and how it is restored.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

use crate::stderr::is_ready;

/// Alternate screen, cursor hidden, pasted text marked as such.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?2004h";
/// Pasted text not marked, attributes reset, cursor visible, normal screen.
const LEAVE: &str = "\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";

/// How long to wait for a terminal that accepts no output (stopped by Ctrl-S, or a slow connection). The end of the
/// program waits too.
const MAX_WAIT: Duration = Duration::from_millis(300);
/// Interval at which to check whether another thread has finished writing.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

static ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether everything on the screen may have changed.
static IS_STALE: AtomicBool = AtomicBool::new(false);
/// The modes before the view.
static MODES_BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// Held while a thread writes. A thread that hangs there must not prevent others from ending the program.
static WRITING: Mutex<()> = Mutex::new(());

/// Whether this process may use the terminal of standard output: a job in the background would be stopped for it.
pub(crate) fn is_foreground() -> bool {
    tcgetpgrp(std::io::stdout()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Switches to the alternate screen, and lets single keys through. Signals of keys (Ctrl-C, Ctrl-Z) stay the kernel's, so
/// that they work even if the view hangs.
pub(crate) fn enter() {
    let input = std::io::stdin();
    // Without a terminal as standard input, there are no keys.
    if let Ok(before) = tcgetattr(&input) {
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        let _ = tcsetattr(&input, OptionalActions::Now, &modes);
        *MODES_BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    }
    ENTERED.store(true, Ordering::SeqCst);
    IS_STALE.store(true, Ordering::SeqCst);
    put(ENTER.as_bytes());
}

/// Restores the terminal, if necessary, and says whether it was. May be called from any thread, also just before the
/// process ends.
pub(crate) fn leave() -> bool {
    let had_view = ENTERED.swap(false, Ordering::SeqCst);
    if had_view {
        put(LEAVE.as_bytes());
        if let Some(before) = MODES_BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
        }
    }
    had_view
}

/// Columns and rows of standard output; 80 by 24 if unknown.
pub(super) fn size() -> (u16, u16) {
    let size = tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col, size.ws_row))
}

/// Whether the screen must be drawn in full, because something else may have drawn on it since the last call.
pub(super) fn was_overdrawn() -> bool {
    IS_STALE.swap(false, Ordering::SeqCst)
}

/// Draws, if the view has the terminal.
pub(super) fn draw(output: &[u8]) {
    if ENTERED.load(Ordering::SeqCst) && !put(output) {
        IS_STALE.store(true, Ordering::SeqCst);
    }
}

/// Writes the output, if the terminal accepts it in time.
fn put(output: &[u8]) -> bool {
    let end = Instant::now() + MAX_WAIT;
    while Instant::now() < end {
        let writing = match WRITING.try_lock() {
            Ok(writing) => writing,
            Err(TryLockError::Poisoned(e)) => e.into_inner(),
            Err(TryLockError::WouldBlock) => {
                thread::sleep(POLL_INTERVAL);
                continue;
            }
        };
        let is_written = is_ready(libc::STDOUT_FILENO, end.saturating_duration_since(Instant::now())) && {
            let mut out = std::io::stdout().lock();
            // A closed terminal shows nothing; the signal that follows ends the program.
            out.write_all(output).and_then(|()| out.flush()).is_ok()
        };
        drop(writing);
        return is_written;
    }
    false
}
