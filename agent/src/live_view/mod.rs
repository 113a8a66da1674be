//! The live view that `pidflow run` shows on a terminal.

mod render;
mod rows;
pub(crate) mod terminal;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use pidflow_schema::FlowRecord;

pub(crate) use render::Totals;
use rows::Rows;

use crate::privileges::Role;
use crate::{logging, threads};

/// Interval between redraws.
const REFRESH: Duration = Duration::from_secs(1);
/// How long the thread may take to end.
const END_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Shown {
    totals: Totals,
    rows: Rows,
}

/// The view: a thread that redraws the screen. Dropping it restores the terminal.
#[derive(Debug)]
pub(crate) struct LiveView {
    shown: Arc<Mutex<Shown>>,
    stop: Option<Sender<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl LiveView {
    /// Switches the terminal to the view and begins to draw.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start() -> Result<Self> {
        let shown = Arc::new(Mutex::new(Shown::default()));
        let (stop, stopped) = bounded(0);
        let (ending, ended) = bounded::<()>(0);
        let theirs = Arc::clone(&shown);
        logging::hold();
        terminal::enter();
        let run = move || {
            let _ending = &ending;
            while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                draw(&theirs);
            }
            Ok(())
        };
        threads::spawn_as(Role::View, "view", run)?;
        Ok(Self { shown, stop: Some(stop), ended })
    }

    /// Adds new records.
    pub(crate) fn count(&self, records: &[FlowRecord], now_s: u64) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|r| shown.rows.count(r, now_s));
    }

    /// Updates the figures of the header.
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
        // A terminal that accepts no output must not prevent the program from ending.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
        terminal::leave();
        logging::release();
    }
}
