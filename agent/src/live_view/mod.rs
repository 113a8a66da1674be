//! What `pidflow run` shows on a terminal.

mod render;
mod rows;
pub(crate) mod terminal;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use pidflow_schema::FlowRecord;

pub(crate) use render::Totals;
use rows::Rows;

use crate::logging;
use crate::privileges::Role;

/// Between two drawings.
const REFRESH: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Shown {
    totals: Totals,
    rows: Rows,
}

/// The view: a thread that redraws the screen; dropping it gives the terminal back.
#[derive(Debug)]
pub(crate) struct LiveView {
    shown: Arc<Mutex<Shown>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LiveView {
    /// Takes the terminal and begins to draw.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (stop, stopped) = bounded(0);
        let theirs = Arc::clone(&shown);
        logging::hold();
        terminal::enter();
        let run = move || {
            Role::View.enter_or_warn();
            while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                draw(&theirs);
            }
        };
        let thread = std::thread::Builder::new().name("view".into()).spawn(run)?;
        Ok(Self { shown, stop: Some(stop), thread: Some(thread) })
    }

    /// Takes over new records.
    pub(crate) fn count(&self, records: &[FlowRecord], now_s: u64) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|r| shown.rows.count(r, now_s));
    }

    /// Takes over the figures of the header.
    pub(crate) fn totals(&self, totals: Totals) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).totals = totals;
    }
}

fn draw(shown: &Mutex<Shown>) {
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    let note = logging::last_held().unwrap_or_default();
    let lines = render::screen(&shown.totals, &shown.rows, terminal::size(), &note);
    drop(shown);
    terminal::draw(&lines);
}

impl Drop for LiveView {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A view that panicked has nothing left to say; the terminal is given back all the same.
            let _ = thread.join();
        }
        terminal::leave();
        logging::release();
    }
}
