//! The tables of the report, for text and Markdown.

use super::{Destination, Figures, Inner, Listener, ProcessLine, Report};
use crate::figures::{bytes, grouped};

/// The greatest number of addresses or clients named in a cell.
const MAX_NAMED: usize = 3;

/// A table.
pub(super) struct Table {
    /// What it shows.
    pub(super) title: String,
    /// The heads of its columns; those that begin with a blank are aligned to the right.
    pub(super) heads: Vec<&'static str>,
    /// Rows of as many cells.
    pub(super) rows: Vec<Vec<String>>,
    /// The number of rows that are left out.
    pub(super) left_out: usize,
}

/// All tables that have rows, with at most that many rows each.
pub(super) fn tables(report: &Report, max_rows: usize) -> Vec<Table> {
    let tables = [destinations(report), inner(report), listened(report), processes(report)];
    let cut = |mut table: Table| {
        table.left_out = table.rows.len().saturating_sub(max_rows);
        table.rows.truncate(max_rows);
        table
    };
    tables.into_iter().filter(|table| !table.rows.is_empty()).map(cut).collect()
}

const CONNECTIONS: [&str; 5] = [" sent", " received", " conn", "failed", " connect"];

fn destinations(report: &Report) -> Table {
    let mut all: Vec<&Destination> = report.destinations.iter().collect();
    all.sort_by_key(|d| std::cmp::Reverse(d.figures.sent_bytes + d.figures.received_bytes));
    let row = |d: &&Destination| {
        let place = place(&d.what.destination, d.what.port, &d.what.protocol);
        let is_named = !d.addresses.iter().any(|address| **address == *d.what.destination);
        let place = if is_named { format!("{place} ({})", some(&d.addresses)) } else { place };
        [vec![place, processes_named(&d.what.program, &d.pids)], cells(&d.figures)].concat()
    };
    Table {
        title: format!("Destinations ({})", all.len()),
        heads: ["destination", "process"].into_iter().chain(CONNECTIONS).collect(),
        rows: all.iter().map(row).collect(),
        left_out: 0,
    }
}

fn inner(report: &Report) -> Table {
    let row = |i: &Inner| {
        let ends = format!("{} > {}", i.what.program, i.server);
        [vec![place(&i.what.destination, i.what.port, &i.what.protocol), ends], cells(&i.figures)].concat()
    };
    Table {
        title: "Between processes of the command".into(),
        heads: ["at", "client > server"].into_iter().chain(CONNECTIONS).collect(),
        rows: report.inner.iter().map(row).collect(),
        left_out: 0,
    }
}

fn listened(report: &Report) -> Table {
    let row = |l: &Listener| {
        let on = if l.addresses.is_empty() { "-".into() } else { some(&l.addresses) };
        let clients = if l.clients.is_empty() { "nobody".into() } else { some(&l.clients) };
        let (sent, received) = (bytes(l.figures.received_bytes), bytes(l.figures.sent_bytes));
        let port = l.port.map_or_else(|| l.protocol.clone(), |port| format!("{}/{port}", l.protocol));
        vec![port, on, processes_named(&l.program, &l.pids), grouped(l.figures.connections), clients, sent, received]
    };
    Table {
        title: "Listened on".into(),
        heads: vec!["port", "address", "process", " accepted", "from", " sent", " received"],
        rows: report.listened.iter().map(row).collect(),
        left_out: 0,
    }
}

fn processes(report: &Report) -> Table {
    Table {
        title: format!("Processes ({})", report.processes.len()),
        heads: vec![" pid", "user", " lived", " cpu", " memory", " faults", " sent", " received", "end", "command"],
        rows: report.processes.iter().map(process).collect(),
        left_out: 0,
    }
}

fn process(p: &ProcessLine) -> Vec<String> {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".into());
    let faults = p.minor_faults.map(|minor| minor + p.major_faults.unwrap_or_default());
    let end = match (p.exit_code, p.signal, p.seconds) {
        (Some(code), ..) => code.to_string(),
        (None, Some(signal), _) => format!("signal {signal}"),
        (None, None, Some(_)) => "ended".into(),
        (None, None, None) => "runs".into(),
    };
    let command = if p.command_line.is_empty() { &p.name } else { &p.command_line };
    vec![
        p.pid.to_string(),
        p.user.clone(),
        p.seconds.map_or_else(|| "-".into(), duration),
        or_unknown(p.cpu_seconds.map(duration)),
        or_unknown(p.peak_memory_bytes.map(bytes)),
        or_unknown(faults.map(grouped)),
        bytes(p.sent_bytes),
        bytes(p.received_bytes),
        end,
        command.clone(),
    ]
}

fn cells(f: &Figures) -> Vec<String> {
    let failed: Vec<_> = f.failures.iter().map(|(why, n)| format!("{} {why}", grouped(*n))).collect();
    let failed = if failed.is_empty() { "-".into() } else { failed.join(", ") };
    let connect = match (f.connect_median_ms, f.connect_max_ms) {
        (Some(median), Some(max)) if f.connections > 1 => format!("{} / {}", milliseconds(median), milliseconds(max)),
        (Some(median), _) => milliseconds(median),
        (None, _) => "-".into(),
    };
    vec![bytes(f.sent_bytes), bytes(f.received_bytes), grouped(f.connections), failed, connect]
}

/// `example.com tcp/443`.
pub(super) fn place(host: &str, port: Option<u16>, protocol: &str) -> String {
    port.map_or_else(|| format!("{host} {protocol}"), |port| format!("{host} {protocol}/{port}"))
}

fn processes_named(program: &str, pids: &[u32]) -> String {
    match pids {
        [pid] => format!("{program} ({pid})"),
        [] => program.to_owned(),
        more => format!("{program} ({} processes)", more.len()),
    }
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 9.95 => format!("{ms:.2} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => {
            if s < 1.0 {
                milliseconds(s * 1e3)
            } else {
                format!("{s:.1} s")
            }
        }
        s => crate::figures::clock(s as u64),
    }
}
