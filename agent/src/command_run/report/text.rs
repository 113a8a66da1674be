//! The report as text for a terminal.

use std::fmt::Write;

use super::tables::{Table, duration, place, tables};
use super::{Compared, Report};
use crate::command_run::Outcome;
use crate::figures::{fit, grouped};
use crate::printable::{clean_line, width};

/// The greatest number of rows of a table.
const MAX_ROWS: usize = 30;
/// The greatest width of a column, except the last one.
const MAX_COLUMN: usize = 48;
/// The greatest width of the last column.
const MAX_LAST: usize = 100;

/// The report as text.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::from("\n");
    let _ = writeln!(out, "pidflow: {}", head(report));
    for line in &report.incomplete {
        let _ = writeln!(out, "incomplete: {}", clean_line(line));
    }
    if report.destinations.is_empty() {
        out.push_str("\nNo destinations.\n");
    }
    for table in tables(report, MAX_ROWS) {
        draw(&table, &mut out);
    }
    if let Some(compared) = &report.baseline {
        let _ = write!(out, "\n{}", comparison(compared, report.has_all_destinations));
    }
    out
}

/// The command, and how it ended.
pub(super) fn head(report: &Report) -> String {
    let command = fit(&report.command, MAX_LAST);
    let n = report.processes.len();
    let processes = if n == 1 { "1 process".into() } else { format!("{} processes", grouped(n as u64)) };
    format!("{} {} after {}, {processes}", command.trim_end(), ended(report.outcome), duration(report.seconds))
}

fn ended(outcome: Outcome) -> String {
    match (outcome.signal, outcome.exit_code) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".into(),
    }
}

fn draw(table: &Table, out: &mut String) {
    let cleaned: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| clean_line(cell)).collect()).collect();
    let widths = widths(table, &cleaned);
    let _ = writeln!(out, "\n{}", table.title);
    let heads: Vec<_> = table.heads.iter().map(|head| head.trim_start().to_owned()).collect();
    for row in std::iter::once(&heads).chain(&cleaned) {
        let cells = row.iter().zip(&table.heads).zip(&widths);
        let line: Vec<_> = cells.map(|((cell, head), width)| aligned(cell, head.starts_with(' '), *width)).collect();
        let _ = writeln!(out, "  {}", line.join("  ").trim_end());
    }
    if let Some(more) = &table.left_out {
        let _ = writeln!(out, "  and {}; --report json has all", clean_line(more));
    }
}

fn widths(table: &Table, rows: &[Vec<String>]) -> Vec<usize> {
    let last = table.heads.len().saturating_sub(1);
    let column = |(at, head): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
        let most = if at == last { MAX_LAST } else { MAX_COLUMN };
        cells.max().unwrap_or_default().max(head.trim_start().len()).min(most)
    };
    table.heads.iter().enumerate().map(column).collect()
}

fn aligned(cell: &str, is_right: bool, columns: usize) -> String {
    let fitted = fit(cell, columns);
    match is_right {
        true => " ".repeat(columns.saturating_sub(width(fitted.trim_end()))) + fitted.trim_end(),
        false => fitted,
    }
}

/// What is new against the baseline.
pub(super) fn comparison(compared: &Compared, has_all: bool) -> String {
    let file = clean_line(&compared.file);
    if compared.is_new {
        return format!("Baseline {file} was written.\n");
    }
    if compared.new.is_empty() {
        let but = if has_all { "" } else { ", but one may be missing" };
        return format!("No destination is new against the baseline {file}{but}.\n");
    }
    let mut out = format!("New against the baseline {file}:\n");
    for entry in &compared.new {
        let place = place(&entry.destination, entry.port, &entry.protocol);
        let _ = writeln!(out, "  {}  {}", clean_line(&place), clean_line(&entry.program));
    }
    out
}
