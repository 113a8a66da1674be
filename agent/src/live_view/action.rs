//! The keys, and what each does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::tab::Tab;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Shows a tab.
    Show(Tab),
    /// Shows the next or the previous tab.
    Turn(bool),
    /// Moves the selection by rows.
    Step(isize),
    /// Moves the selection by pages.
    Page(isize),
    /// Sorts by the column to the left or to the right.
    Sort(bool),
    /// Reverses the order.
    Reverse,
    /// Opens the selected row.
    Open,
    /// Closes what is open, or removes the filter.
    Back,
    /// Begins to write a filter.
    Filter,
    /// Holds the screen, or lets it go on.
    Pause,
    /// Shows processes as a tree, or flat.
    Tree,
    /// Lists the keys.
    Help,
    /// Ends the program.
    Quit,
    /// Draws everything anew.
    Redraw,
}

/// The keys as the help lists them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("1 … 5", "flows, processes, pairs, hosts, users"),
    ("Tab Shift-Tab", "next tab, previous tab"),
    ("↑ ↓ PgUp PgDn", "select a row (also k j)"),
    ("Home End", "first row, last row (also g G)"),
    ("← →", "sort by another column (also < >)"),
    ("r", "reverse the order"),
    ("Enter", "open; of a pair, host or user: its flows"),
    ("Esc", "back; on a list: remove the filter"),
    ("/", "filter, such as port == 443 && bytes > 1e6"),
    ("Space", "hold the screen, let it go on"),
    ("t", "processes as a tree, or flat"),
    ("? Ctrl-L", "these keys; draw the screen anew"),
    ("q Ctrl-C", "end pidflow"),
];

/// All rows: more than any list has.
const ALL_ROWS: isize = isize::MAX;

impl Action {
    /// What a key asks for outside an input line; none: nothing.
    pub(super) fn of(key: KeyEvent) -> Option<Self> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('l') => Some(Self::Redraw),
                KeyCode::Char('c') => Some(Self::Quit),
                _ => None,
            };
        }
        Self::of_letter(key.code).or_else(|| Self::of_named_key(key.code))
    }

    fn of_letter(code: KeyCode) -> Option<Self> {
        let KeyCode::Char(c) = code else { return None };
        Some(match c {
            '1'..='5' => Self::Show(*Tab::ALL.get(c as usize - '1' as usize)?),
            'k' => Self::Step(-1),
            'j' => Self::Step(1),
            'g' => Self::Step(-ALL_ROWS),
            'G' => Self::Step(ALL_ROWS),
            '<' => Self::Sort(false),
            '>' => Self::Sort(true),
            'r' => Self::Reverse,
            '/' => Self::Filter,
            ' ' => Self::Pause,
            't' => Self::Tree,
            '?' | 'h' => Self::Help,
            'q' => Self::Quit,
            _ => return None,
        })
    }

    fn of_named_key(code: KeyCode) -> Option<Self> {
        Some(match code {
            KeyCode::Tab => Self::Turn(true),
            KeyCode::BackTab => Self::Turn(false),
            KeyCode::Up => Self::Step(-1),
            KeyCode::Down => Self::Step(1),
            KeyCode::Home => Self::Step(-ALL_ROWS),
            KeyCode::End => Self::Step(ALL_ROWS),
            KeyCode::PageUp => Self::Page(-1),
            KeyCode::PageDown => Self::Page(1),
            KeyCode::Left => Self::Sort(false),
            KeyCode::Right => Self::Sort(true),
            KeyCode::Enter => Self::Open,
            KeyCode::Esc | KeyCode::Backspace => Self::Back,
            KeyCode::F(1) => Self::Help,
            _ => return None,
        })
    }
}
