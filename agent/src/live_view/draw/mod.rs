//! Draws the state: a function of the model and the size of the screen.

mod opened;
mod table;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::action::HELP;
use super::listing::Listing;
use super::model::{Model, Opened};
use super::tab::Tab;
use crate::figures::{first_columns, fit, last_columns};
use crate::printable::{clean_line, width};

/// What is selected.
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// Headings.
const HEADING: Style = Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED);
/// What failed.
const FAILED: Style = Style::new().fg(Color::Red);
/// What is past, and hints.
const PAST: Style = Style::new().add_modifier(Modifier::DIM);

/// Draws everything. Returns how many rows a page of the list has.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) -> usize {
    let [top, tabs, main, status, bottom] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let columns = usize::from(top.width);
    let lines: Vec<_> = model.totals.lines(columns).into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), top);
    frame.render_widget(tab_line(model), tabs);
    let page = draw_main(frame, model, main);
    frame.render_widget(Line::from(fit(&status_line(model), columns)), status);
    frame.render_widget(bottom_line(model, columns), bottom);
    if model.shows_help {
        help(frame, main);
    }
    page
}

fn draw_main(frame: &mut Frame<'_>, model: &Model, area: Rect) -> usize {
    match (model.opened.last(), model.list()) {
        (Some(Opened::Flow(id)), _) => opened::flow(frame, model, *id, area),
        (Some(Opened::Process(id, _)), Some(list)) => opened::process(frame, model, *id, list, area),
        (_, Some(list)) => table::draw(frame, list, area, empty(model)),
        (_, None) => 1,
    }
}

/// What is said instead of an empty list.
fn empty(model: &Model) -> &'static str {
    if model.filter.is_some() {
        "No flow matches the filter. Esc removes it."
    } else {
        "No flow has been reported yet."
    }
}

fn tab_line(model: &Model) -> Line<'static> {
    let tab = |(n, tab): (usize, &Tab)| {
        let style = if *tab == model.tab { SELECTED } else { Style::new() };
        [Span::styled(format!(" {} {} ", n + 1, tab.name()), style), Span::raw(" ")]
    };
    Tab::ALL.iter().enumerate().flat_map(tab).collect()
}

/// How the list is sorted and filtered.
fn status_line(model: &Model) -> String {
    let mut parts = Vec::new();
    if model.is_paused {
        parts.push("HELD".to_owned());
    }
    if let Some(list) = model.list() {
        parts.push(sorted(list));
        let at = (list.index + 1).min(list.rows.len());
        parts.push(format!("{at} of {}", list.rows.len()));
    }
    if model.missed > 0 {
        parts.push(format!("{} records came too fast to be shown", model.missed));
    }
    if let (Some(filter), true) = (&model.filter, model.opened.is_empty()) {
        parts.push(format!("filter: {}", filter.text()));
    }
    parts.join("  ")
}

fn sorted(list: &Listing) -> String {
    let title = list.tab.columns().get(list.sorting.column).map_or("", |c| c.title);
    format!("by {title} {}", if list.sorting.descends(list.tab) { '▼' } else { '▲' })
}

/// The line being written, otherwise the latest line of the log, otherwise some keys.
fn bottom_line(model: &Model, columns: usize) -> Line<'static> {
    match (&model.input, model.note()) {
        (Some(input), _) => {
            let error = input.error.as_ref().map(|e| format!("  {}", clean_line(e))).unwrap_or_default();
            // The end of what is written, and all of the error if it fits.
            let room = columns.saturating_sub(width(&error).min(columns / 2) + 2);
            let text = last_columns(&clean_line(&input.text), room).to_owned();
            let error = first_columns(&error, columns.saturating_sub(width(&text) + 2)).to_owned();
            Line::from(vec![Span::raw(format!("/{text}")), Span::styled(" ", SELECTED), Span::styled(error, FAILED)])
        }
        (None, Some(note)) => Line::from(fit(note, columns)),
        (None, None) => Line::styled(first_columns(hints(model), columns).to_owned(), PAST),
    }
}

fn hints(model: &Model) -> &'static str {
    match model.opened.last() {
        None => "Enter open  ←→ sort  / filter  Space hold  ? keys  q end",
        Some(Opened::Process(..)) => "Esc back  Tab flows, peers  Enter open  ? keys  q end",
        Some(Opened::Flow(_)) => "Esc back  ? keys  q end",
    }
}

/// The keys, over everything else.
fn help(frame: &mut Frame<'_>, area: Rect) {
    let line = |(key, what): &(&str, &str)| Line::from(format!(" {key:<14} {what}"));
    let title = Line::styled(fit(" Keys; any key closes this", area.width.into()), HEADING);
    let lines: Vec<_> = std::iter::once(title).chain(HELP.iter().map(line)).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

#[cfg(test)]
mod tests;
