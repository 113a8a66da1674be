//! The report as Markdown (GitHub's tables), for pull requests and build summaries.

use std::fmt::Write;

use super::tables::{Table, place, tables};
use super::{Report, text};
use crate::printable::clean_line;

/// The greatest number of rows of a table.
const MAX_ROWS: usize = 100;

/// The report as Markdown.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = format!("## What the command talked to\n\n{}\n", escaped(&text::head(report)));
    for line in &report.incomplete {
        let _ = writeln!(out, "\n**Incomplete:** {}", escaped(line));
    }
    if report.destinations.is_empty() {
        out.push_str("\nNo destinations.\n");
    }
    if let Some(compared) = &report.baseline {
        let lines = text::comparison(compared, report.has_all_destinations);
        let mut lines = lines.lines();
        let _ = writeln!(out, "\n{}", escaped(lines.next().unwrap_or_default()));
        for entry in &compared.new {
            let place = place(&entry.destination, entry.port, &entry.protocol);
            let _ = writeln!(out, "- {} {}", escaped(&place), escaped(&entry.program));
        }
    }
    for table in tables(report, MAX_ROWS) {
        draw(&table, &mut out);
    }
    out
}

fn draw(table: &Table, out: &mut String) {
    let _ = writeln!(out, "\n### {}\n", table.title);
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let heads = table.heads.iter().map(|head| head.trim_start().to_owned()).collect();
    let rules = table.heads.iter().map(|head| if head.starts_with(' ') { "--:" } else { "---" }.to_owned()).collect();
    let rows = table.rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect());
    for row in [heads, rules].into_iter().chain(rows) {
        let _ = writeln!(out, "{}", line(row));
    }
    if let Some(more) = &table.left_out {
        let _ = writeln!(out, "\nand {}", escaped(more));
    }
}

/// Text without characters that mean something in Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean_line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '$' | '@' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
