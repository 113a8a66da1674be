//! The terminal: its size, and how it is restored.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::stderr::is_ready;

/// Alternate screen, cursor hidden.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Normal screen, cursor visible.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// How long to wait for a terminal that accepts no output (stopped by Ctrl-S, or a slow connection). The end of the
/// program waits too.
const MAX_WAIT: Duration = Duration::from_millis(300);
/// Interval at which to check whether another thread has finished writing.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

static ENTERED: AtomicBool = AtomicBool::new(false);
/// Held while a thread writes. A thread that hangs there must not prevent others from ending the program.
static WRITING: Mutex<()> = Mutex::new(());

/// Columns and rows of standard output; 80 by 24 if unknown.
pub(crate) fn size() -> (usize, usize) {
    // SAFETY: winsize is plain numbers, for which all zero is a value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize to the address given, which is one.
    let done = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if done != 0 || size.ws_col == 0 || size.ws_row == 0 {
        return (80, 24);
    }
    (size.ws_col.into(), size.ws_row.into())
}

/// Switches to the alternate screen.
pub(crate) fn enter() {
    ENTERED.store(true, Ordering::SeqCst);
    put(ENTER);
}

/// Switches back to the normal screen, if necessary. May be called from any thread, also just before the process ends.
pub(crate) fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        put(LEAVE);
    }
}

/// Draws a whole screen in one write, so that nothing flickers.
pub(crate) fn draw(lines: &[String]) {
    if ENTERED.load(Ordering::SeqCst) {
        put(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")));
    }
}

/// Writes the text, if the terminal accepts it in time.
fn put(text: &str) {
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
        if is_ready(libc::STDOUT_FILENO, end.saturating_duration_since(Instant::now())) {
            let mut out = std::io::stdout().lock();
            // A closed terminal shows nothing; the signal that follows ends the program.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        drop(writing);
        return;
    }
}
