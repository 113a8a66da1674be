//! The screen: draws the changes since the last drawing in one write, so that nothing flickers.

use std::io::{self, Write};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::draw::draw;
use super::model::Model;
use super::terminal;

/// Collects what is drawn until it is complete.
#[derive(Debug, Default)]
struct Collected(Vec<u8>);

impl Write for Collected {
    fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(output);
        Ok(output.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.0.is_empty() {
            terminal::draw(&std::mem::take(&mut self.0));
        }
        Ok(())
    }
}

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Collected>>,
    size: (u16, u16),
}

impl Screen {
    /// The terminal must have been entered.
    ///
    /// # Errors
    /// None that is known; drawing goes to memory.
    pub(super) fn new() -> io::Result<Self> {
        let size = terminal::size();
        Ok(Self { terminal: empty(size)?, size })
    }

    /// Draws the model; everything if something else may have drawn on the terminal, otherwise what has changed.
    ///
    /// # Errors
    /// None that is known; drawing goes to memory.
    pub(super) fn draw(&mut self, model: &mut Model, is_anew: bool) -> io::Result<()> {
        let size = terminal::size();
        if terminal::was_overdrawn() || is_anew || size != self.size {
            // Ratatui's own way to clear asks the terminal where the cursor is, and reads the answer from the keys.
            (self.terminal, self.size) = (empty(size)?, size);
            self.terminal.backend_mut().write_all(CLEAR)?;
        }
        let mut page = 1;
        self.terminal.draw(|frame| page = draw(frame, model))?;
        model.page = page;
        Ok(())
    }
}

/// Attributes reset, screen cleared.
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

fn empty((width, height): (u16, u16)) -> io::Result<Terminal<CrosstermBackend<Collected>>> {
    // The backend would open the terminal's device to learn its size, which the thread of the view may not.
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(Collected::default()), TerminalOptions { viewport })
}
