//! Log lines on standard error; held back while the live view has the screen.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

use crate::config::choices::{LogFormat, LogLevel};
use crate::config::options::LogOptions;
use crate::printable::clean;
use crate::stderr;

/// Maximum number of lines held back; the oldest are dropped first.
const MAX_HELD: usize = 100;

/// None: lines are written at once.
static HOLDING: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// The client libraries of receivers trace everything that they send, including passwords. So their messages are logged
/// up to `debug` only.
const fn directive(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "debug,pidflow=trace,pidflow_engine=trace,pidflow_exporters=trace",
    }
}

/// Starts logging; a second call changes nothing.
pub(crate) fn start(options: &LogOptions) {
    let filter = EnvFilter::new(directive(options.level.unwrap_or(LogLevel::Info)));
    // Disables the library's own messages about lines that it could not write, because they panic if standard error is
    // closed.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines).with_target(false);
    let lines = lines.log_internal_errors(false);
    let done = match options.format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if done.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// From now on, lines are held back if standard error is the terminal on which the view draws.
pub(crate) fn hold() {
    if io::stderr().is_terminal() {
        *HOLDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(VecDeque::new());
    }
}

/// The latest line held back.
pub(crate) fn last_held() -> Option<String> {
    HOLDING.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.back().cloned()
}

/// Writes the lines held back.
pub(crate) fn release() {
    let held = HOLDING.lock().unwrap_or_else(PoisonError::into_inner).take();
    held.into_iter().flatten().for_each(|line| stderr::say(&line));
}

/// Reports a panic: in the log, if it has been started.
pub(crate) fn say_panic(line: &str) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{line}");
    } else {
        stderr::say(&format!("pidflow: {line}"));
    }
}

/// The output of the log: standard error, or the lines held back. It never fails, because a log that cannot be written
/// must not stop anything else.
struct Lines;

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(text);
        let shown = clean(&shown);
        match HOLDING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            None => stderr::write(shown.as_bytes()),
            Some(held) => {
                held.push_back(shown.trim_end().to_owned());
                held.drain(..held.len().saturating_sub(MAX_HELD));
            }
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
