//! `pidflow query`: searches the history.

mod json;
mod table;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use jiff::Zoned;
use pidflow_expression::Selector;
use pidflow_history::{Answer, HistoryError, Limits, Reader, Selected};

use super::print;
use crate::cli::QueryArgs;
use crate::failure::{Failure, OrUsage, one_line};
use crate::stderr;

/// The folder in which the unit for systemd keeps it.
const FOLDER: &str = "/var/lib/pidflow/history";
/// What is shown without `--since`.
const SINCE: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(60);
/// Lines without `--top`.
const RECORDS: usize = 100;
const GROUPS: usize = 20;
/// Maximum number of intervals with `--step`.
const MAX_POINTS: usize = 1_000_000;

/// Says what to do about a folder that cannot be read.
fn with_remedy(error: HistoryError) -> anyhow::Error {
    let kind = if let HistoryError::Io { error, .. } = &error { error.kind() } else { ErrorKind::Other };
    match kind {
        ErrorKind::PermissionDenied => anyhow!("{error}; run it as root or as the agent's user, who alone may read it"),
        _ => anyhow!("{error}; name the folder of `run --history` with --history"),
    }
}

/// Prints records, groups or intervals. 1: files could not be read.
pub(crate) fn execute(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let folder = args.history.as_deref().unwrap_or(Path::new(FOLDER));
    let by = args.by.iter().map(|name| Selector::parse(name.trim())).collect::<Result<Vec<_>, _>>();
    let by = by.map_err(|e| anyhow!("--by: {e}")).or_usage()?;
    let now = Zoned::now();
    let selected = selected(args, &now).or_usage()?;
    let reader = Reader::new(folder).map_err(with_remedy).or_usage()?;
    let skipped = answer(args, &reader, (&selected, &by), &now)?;
    for line in &skipped {
        stderr::say(&format!("pidflow: left out: {}", one_line(line)));
    }
    Ok(if skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn selected(args: &QueryArgs, now: &Zoned) -> anyhow::Result<Selected> {
    let default = || now.timestamp().checked_sub(SINCE).ok().and_then(|t| u64::try_from(t.as_nanosecond()).ok());
    let since_ns = args.since.map(|time| time.nanoseconds(now)).or_else(default);
    let until_ns = args.until.map(|time| time.nanoseconds(now));
    if until_ns.is_some_and(|until| since_ns.is_some_and(|since| since > until)) {
        return Err(anyhow!("--until is before --since, whose default is an hour ago"));
    }
    Ok(Selected { filter: args.filter.as_ref().map(|filter| filter.0.clone()), since_ns, until_ns })
}

/// Prints the answer; returns a line for each file that could not be read.
fn answer(
    args: &QueryArgs,
    reader: &Reader,
    (selected, by): (&Selected, &[Selector]),
    now: &Zoned,
) -> Result<Vec<String>, Failure> {
    let deadline = Instant::now() + args.timeout.map_or(TIMEOUT, |timeout| timeout.0);
    let limits = |usual| Limits { deadline, entries: args.top.map_or(usual, |n| n.get() as usize) };
    let zone = now.time_zone();
    if let Some(step) = args.step {
        let step_ns = step.nanoseconds().ok_or_else(|| anyhow!("--step: 0 is no interval")).or_usage()?;
        let limits = Limits { deadline, entries: MAX_POINTS };
        let found = found(reader.series(selected, step_ns, limits))?;
        let text = if args.json { json::points(&found.entries) } else { table::points(&found.entries, zone) };
        print(text.as_bytes())?;
        return Ok(found.skipped);
    }
    if !by.is_empty() {
        let found = found(reader.groups(selected, by, limits(GROUPS)))?;
        let text = if args.json { json::groups(by, &found.entries) } else { table::groups(by, &found.entries) };
        print(text.as_bytes())?;
        return Ok(found.skipped);
    }
    let found = found(reader.records(selected, None, limits(RECORDS)))?;
    // The latest is the last line, as in a log.
    let records = found.entries.into_iter().rev().map(|(_, record)| record);
    let text = if args.json { json::records(records) } else { table::records(records, zone).into_bytes() };
    print(&text)?;
    Ok(found.skipped)
}

fn found<T>(answer: Result<Answer<T>, HistoryError>) -> anyhow::Result<Answer<T>> {
    Ok(answer?)
}
