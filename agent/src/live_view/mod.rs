//! The live view that `pidflow run` shows on a terminal. It reads the published state, as HTTP does.
//!
//! The model (`model`) is changed by keys and records and knows no terminal; `draw` is a function of it; this file and
//! `screen` connect both with the terminal.

mod action;
mod book;
mod cell;
mod detail;
mod draw;
mod filter;
mod listing;
mod model;
mod rate;
mod rows;
#[cfg(test)]
mod sample;
mod screen;
mod series;
mod tab;
pub(crate) mod terminal;
mod totals;

use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use ratatui::crossterm::event::{self, Event};

use model::{Model, Next};
use screen::Screen;
use totals::Totals;

use crate::host::Host;
use crate::privileges::Role;
use crate::published::Published;
use crate::published::recent::cursor::Place;
use crate::{logging, threads};

/// Interval between redraws without a key.
const REFRESH: Duration = Duration::from_secs(1);
/// How long to wait for a key before looking whether to end.
const KEY_WAIT: Duration = Duration::from_millis(100);
/// How long the thread may take to end.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// What the view reads.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Status and records.
    pub(crate) published: Published,
    /// The host's figures.
    pub(crate) host: Host,
    /// Names of the interfaces, joined.
    pub(crate) interfaces: String,
}

/// The view: a thread that redraws the screen. Dropping it restores the terminal.
#[derive(Debug)]
pub(crate) struct LiveView {
    stop: Option<Sender<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl LiveView {
    /// Switches the terminal to the view and begins to draw.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(sources: Sources) -> Result<Self> {
        let (stop, stopped) = bounded(0);
        let (ending, ended) = bounded::<()>(0);
        logging::hold();
        terminal::enter();
        let run = move || {
            let _ending = &ending;
            View::new(sources.clone()).and_then(|view| view.run(&stopped)).map_err(|e| format!("{e:#}"))
        };
        threads::spawn_as(Role::View, "view", run)?;
        Ok(Self { stop: Some(stop), ended })
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A terminal that accepts no output must not prevent the program from ending.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
        let _ = terminal::leave();
        logging::release();
    }
}

/// The state of the thread.
struct View {
    sources: Sources,
    screen: Screen,
    model: Model,
    /// The newest record that was read; none: there was none yet.
    read: Option<Place>,
}

impl View {
    fn new(sources: Sources) -> Result<Self> {
        // Only this thread learns of a new size by a signal; all others block it.
        SigSet::from(Signal::SIGWINCH).thread_unblock()?;
        Ok(Self { sources, screen: Screen::new()?, model: Model::new(), read: None })
    }

    fn run(mut self, stopped: &Receiver<()>) -> Result<()> {
        let mut due = Instant::now();
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            if Instant::now() >= due {
                due = Instant::now() + REFRESH;
                self.read();
                self.screen.draw(&mut self.model, false)?;
            }
            let wait = KEY_WAIT.min(due.saturating_duration_since(Instant::now()));
            match event::poll(wait) {
                Ok(true) => self.take_event()?,
                Ok(false) => {}
                // No terminal for keys: the view goes on without them.
                Err(_) => drop(stopped.recv_timeout(wait)),
            }
        }
        Ok(())
    }

    /// Reads what was published since the last time.
    fn read(&mut self) {
        let status = self.sources.published.status();
        let totals = Totals::of(&status, &self.sources.interfaces, self.sources.host.now());
        self.model.set_header(totals, logging::last_held().unwrap_or_default());
        if self.model.is_paused {
            return;
        }
        self.model.now_s = status.seconds;
        let snapshot = self.sources.published.recent.records();
        let new = snapshot.since(self.read);
        self.model.missed += new.missed;
        self.model.add(new.records.into_iter());
        self.read = new.newest.or(self.read);
        self.model.refresh();
    }

    fn take_event(&mut self) -> Result<()> {
        let next = match event::read()? {
            Event::Key(key) => self.model.press(key),
            Event::Paste(text) => {
                self.model.paste(&text);
                Next::Draw
            }
            Event::Resize(..) => Next::Redraw,
            _ => return Ok(()),
        };
        if next == Next::Quit {
            // The same orderly end as with Ctrl-C.
            kill(Pid::this(), Signal::SIGINT)?;
        }
        Ok(self.screen.draw(&mut self.model, next == Next::Redraw)?)
    }
}
