//! Draws a list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{FAILED, HEADING, PAST, SELECTED};
use crate::figures::fit;
use crate::live_view::listing::Listing;
use crate::live_view::rows::Row;
use crate::live_view::tab::Column;

/// Screens from this width on have room for wide indentation.
const WIDE_SCREEN: usize = 100;
/// How many levels of a tree are indented.
const MAX_INDENTED: usize = 10;

/// A column as it is drawn: its number, and its width.
type Place = (usize, &'static Column, usize);

/// Draws the list. Returns how many rows a page has.
pub(super) fn draw(frame: &mut Frame<'_>, list: &Listing, area: Rect, if_empty: &str) -> usize {
    let (screen, page) = (usize::from(area.width), usize::from(area.height).saturating_sub(1).max(1));
    let places = places(list.tab.columns(), screen);
    let mut lines = vec![heading(list, &places)];
    if list.rows.is_empty() {
        lines.push(Line::styled(fit(if_empty, screen), PAST));
    }
    // The selected row is always on the page.
    let first = list.index.saturating_sub(page - 1);
    for (number, row) in list.rows.iter().enumerate().skip(first).take(page) {
        let style = if number == list.index { SELECTED } else { style(row) };
        lines.push(Line::styled(text(row, &places, screen), style));
    }
    frame.render_widget(Paragraph::new(lines), area);
    page
}

/// The columns that fit the screen.
fn places(columns: &'static [Column], screen: usize) -> Vec<Place> {
    let shown: Vec<_> = columns.iter().enumerate().filter(|(_, c)| c.min_screen <= screen).collect();
    let fixed = shown.iter().map(|(_, c)| c.width).sum::<usize>() + shown.len().saturating_sub(1);
    let names = shown.iter().filter(|(_, c)| c.width == 0).count().max(1);
    let rest = screen.saturating_sub(fixed);
    let mut spare = rest % names;
    let place = |(number, column): (usize, &'static Column)| {
        let mut width = column.width;
        if width == 0 {
            width = rest / names + usize::from(spare > 0);
            spare = spare.saturating_sub(1);
        }
        (number, column, width)
    };
    shown.into_iter().map(place).collect()
}

fn heading(list: &Listing, places: &[Place]) -> Line<'static> {
    let arrow = if list.sorting.descends(list.tab) { '▼' } else { '▲' };
    let mut spans = Vec::with_capacity(2 * places.len());
    for (number, column, width) in places {
        let is_sorted = *number == list.sorting.column;
        let has_room = column.title.len() < *width;
        let title = if is_sorted && has_room { format!("{}{arrow}", column.title) } else { column.title.to_owned() };
        let style = if is_sorted { HEADING.add_modifier(Modifier::REVERSED) } else { HEADING };
        spans.push(Span::styled(aligned(&title, column, *width), style));
        spans.push(Span::styled(" ", HEADING));
    }
    spans.pop();
    Line::from(spans)
}

fn text(row: &Row, places: &[Place], screen: usize) -> String {
    let level = if screen >= WIDE_SCREEN { "  " } else { " " };
    let cell = |(number, column, width): &Place| {
        let text = row.cells.get(*number).map(super::super::cell::Cell::text).unwrap_or_default();
        let indent = if *number == 0 { row.depth.min(MAX_INDENTED) } else { 0 };
        aligned(&(level.repeat(indent) + &text), column, *width)
    };
    places.iter().map(cell).collect::<Vec<_>>().join(" ")
}

/// Exactly that many columns.
fn aligned(text: &str, column: &Column, width: usize) -> String {
    let fitted = fit(text, width);
    if !column.is_number() {
        return fitted;
    }
    let figures = fitted.trim_end();
    // Figures are of characters of one column.
    " ".repeat(width.saturating_sub(figures.chars().count())) + figures
}

fn style(row: &Row) -> Style {
    match (row.has_failed, row.is_past) {
        (true, _) => FAILED,
        (false, true) => PAST,
        (false, false) => Style::new(),
    }
}
