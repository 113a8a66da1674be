//! The tables of the report, for text and Markdown.

use std::collections::BTreeMap;

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
    /// What is left out; none: nothing.
    pub(super) left_out: Option<String>,
}

/// All tables that have rows, with at most that many rows each.
pub(super) fn tables(report: &Report, max_rows: usize) -> Vec<Table> {
    let tables = [destinations(report), inner(report), listened(report), processes(report, max_rows)];
    let cut = |mut table: Table| {
        let more = table.rows.len().saturating_sub(max_rows);
        table.rows.truncate(max_rows);
        table.left_out = table.left_out.or_else(|| (more > 0).then(|| format!("{} more", grouped(more as u64))));
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
        left_out: None,
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
        left_out: None,
    }
}

fn listened(report: &Report) -> Table {
    let row = |l: &Listener| {
        let on = if l.addresses.is_empty() { "-".into() } else { some(&l.addresses) };
        let own = (l.inner_connections > 0).then(|| "the command itself".to_owned());
        let clients: Vec<_> = own.into_iter().chain(l.clients.iter().cloned()).collect();
        let clients = if clients.is_empty() { "nobody".into() } else { some(&clients) };
        let (sent, received) = (bytes(l.figures.received_bytes), bytes(l.figures.sent_bytes));
        let port = l.port.map_or_else(|| l.protocol.clone(), |port| format!("{}/{port}", l.protocol));
        vec![
            port,
            on,
            processes_named(&l.program, &l.pids),
            grouped(l.figures.connections + l.inner_connections),
            clients,
            sent,
            received,
        ]
    };
    Table {
        title: "Listened on".into(),
        heads: vec!["port", "address", "process", " accepted", "from", " sent", " received"],
        rows: report.listened.iter().map(row).collect(),
        left_out: None,
    }
}

/// If there are too many, those with traffic and those that used the most are shown, in the order of their start.
fn processes(report: &Report, max_rows: usize) -> Table {
    let mut order: Vec<(usize, &ProcessLine)> = report.processes.iter().enumerate().collect();
    // The command's own process is the first one.
    order.sort_by_key(|(at, p)| (*at != 0, std::cmp::Reverse(weight(p)), *at));
    let (shown, rest) = order.split_at(max_rows.min(order.len()));
    let mut shown = shown.to_vec();
    shown.sort_by_key(|(at, _)| *at);
    Table {
        title: format!("Processes ({})", report.processes.len()),
        heads: vec![" pid", "user", " lived", " cpu", " memory", " faults", " sent", " received", "end", "command"],
        rows: shown.into_iter().map(|(_, p)| process(p)).collect(),
        left_out: (!rest.is_empty()).then(|| by_name(rest)),
    }
}

/// What makes a process worth a row: traffic, that it still runs, CPU time (microseconds).
fn weight(p: &ProcessLine) -> (bool, bool, u64) {
    let microseconds = p.cpu_seconds.unwrap_or_default() * 1e6;
    (p.sent_bytes + p.received_bytes > 0, p.seconds.is_none(), microseconds as u64)
}

/// `243 more: 140 bash, 100 readlink, 3 others`.
fn by_name(rest: &[(usize, &ProcessLine)]) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, p) in rest {
        *names.entry(&p.name).or_default() += 1;
    }
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
    let others: usize = names.iter().skip(MAX_NAMED).map(|(_, n)| n).sum();
    let shown = names.iter().take(MAX_NAMED).map(|(name, n)| format!("{} {name}", grouped(*n as u64)));
    let others = (others > 0).then(|| format!("{} others", grouped(others as u64)));
    let shown: Vec<_> = shown.chain(others).collect();
    format!("{} more: {}", grouped(rest.len() as u64), shown.join(", "))
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
