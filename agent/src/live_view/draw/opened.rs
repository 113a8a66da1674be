//! Draws what was opened: a flow or a process.

use std::time::{SystemTime, UNIX_EPOCH};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Wrap};

use super::{PAST, table};
use crate::figures::{bytes, first_columns};
use crate::live_view::book::ProcessKey;
use crate::live_view::cell::percent;
use crate::live_view::detail::{self, Fact};
use crate::live_view::listing::Listing;
use crate::live_view::model::Model;
use crate::live_view::series::{MAX_SLOTS, Series};
use crate::printable::clean_line;

/// Columns of the names of facts and graphs.
const NAME_WIDTH: u16 = 12;
/// Columns of the figure after a graph.
const FIGURE_WIDTH: u16 = 10;
/// Rows that the list of a process has at least.
const MIN_LIST_ROWS: u16 = 5;
/// Lines over which a long fact goes at most.
const MAX_FACT_LINES: usize = 3;
const GONE: &str = "This is no longer kept. Esc goes back.";

/// A flow, in full. Returns the rows of a page, of which there is none.
pub(super) fn flow(frame: &mut Frame<'_>, model: &Model, id: u64, area: Rect) -> usize {
    let Some(flow) = model.book.flow(id) else { return gone(frame, area) };
    let [above, graphs] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    facts(frame, &detail::of_flow(flow, model.now_s), above);
    let rates = flow.series.rates(slots(area), model.now_s);
    graph(frame, "bytes/s", &rates, &format!("{}/s", bytes(flow.rate(model.now_s))), graphs);
    1
}

/// A process with its usage, and the list of its flows or peers. Returns how many rows a page has.
pub(super) fn process(frame: &mut Frame<'_>, model: &Model, id: ProcessKey, list: &Listing, area: Rect) -> usize {
    let Some(process) = model.book.description(id) else { return gone(frame, area) };
    let known = model.book.process(id);
    let wall_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let said = detail::of_process(process, known, wall_ns);
    let height = lines(&said, area.width).len() as u16;
    let [above, cpu, memory, traffic, below] = Layout::vertical([
        Constraint::Length(height.min(area.height.saturating_sub(3 + MIN_LIST_ROWS))),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(MIN_LIST_ROWS),
    ])
    .areas(area);
    facts(frame, &said, above);
    let series = known.map(|known| known.series.clone()).unwrap_or_default();
    graphs(frame, &series, model.now_s, [cpu, memory, traffic]);
    table::draw(frame, list, below, "No flow of it is kept.")
}

fn graphs(frame: &mut Frame<'_>, series: &Series, now_s: u64, [cpu, memory, traffic]: [Rect; 3]) {
    let slots = slots(cpu);
    let last = |values: &[u64]| values.last().copied().unwrap_or_default();
    let loads = series.cpu_loads(slots, now_s);
    graph(frame, "CPU", &loads, &percent(last(&loads) as u32), cpu);
    let held = series.memory(slots, now_s);
    graph(frame, "memory", &held, &bytes(last(&held)), memory);
    let rates = series.rates(slots, now_s);
    graph(frame, "bytes/s", &rates, &format!("{}/s", bytes(last(&rates))), traffic);
}

fn gone(frame: &mut Frame<'_>, area: Rect) -> usize {
    frame.render_widget(Line::styled(GONE, PAST), area);
    1
}

/// How many slots a graph of the area's width shows.
fn slots(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(NAME_WIDTH + FIGURE_WIDTH)).min(MAX_SLOTS)
}

/// One line: a name, a graph, and the latest figure.
fn graph(frame: &mut Frame<'_>, name: &str, values: &[u64], figure: &str, area: Rect) {
    let [left, middle, right] = Layout::horizontal([
        Constraint::Length(NAME_WIDTH),
        Constraint::Length(values.len() as u16),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(Line::styled(name.to_owned(), NAME_STYLE), left);
    frame.render_widget(Sparkline::default().data(values), middle);
    frame.render_widget(Line::from(format!(" {figure}")), right);
}

const NAME_STYLE: Style = Style::new().add_modifier(Modifier::BOLD);

fn facts(frame: &mut Frame<'_>, facts: &[Fact], area: Rect) {
    frame.render_widget(Paragraph::new(lines(facts, area.width)).wrap(Wrap { trim: false }), area);
}

/// The facts, with long ones continued below.
fn lines(facts: &[Fact], width: u16) -> Vec<Line<'static>> {
    let room = usize::from(width.saturating_sub(NAME_WIDTH)).max(1);
    let mut lines = Vec::new();
    for (name, value) in facts {
        let mut name = *name;
        for piece in pieces(&clean_line(value), room) {
            let column = format!("{name:<width$}", width = usize::from(NAME_WIDTH));
            lines.push(Line::from(vec![Span::styled(column, NAME_STYLE), Span::raw(piece)]));
            name = "";
        }
    }
    lines
}

/// The text in at most [`MAX_FACT_LINES`] lines of that width; what does not fit is cut.
fn pieces(text: &str, room: usize) -> Vec<String> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while pieces.len() < MAX_FACT_LINES {
        let piece = first_columns(rest, room);
        rest = rest.get(piece.len()..).unwrap_or_default();
        pieces.push(piece.to_owned());
        if rest.is_empty() || piece.is_empty() {
            return pieces;
        }
    }
    if let Some(last) = pieces.last_mut() {
        *last = first_columns(last, room.saturating_sub(1)).to_owned() + "…";
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_facts_are_continued_and_cut() {
        assert_eq!(pieces("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(pieces("", 4), [""]);
        assert_eq!(pieces("日本語日本語日本語日本語", 1), [""]);
        let cut = pieces(&"x".repeat(100), 10);
        assert_eq!((cut.len(), cut[2].ends_with('…')), (3, true));
        assert!(cut.iter().all(|piece| piece.chars().count() <= 10));
    }
}
