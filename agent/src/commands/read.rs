//! `pidflow read`: capture files to flow records.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use pidflow_engine::flow_table::FlowTable;
use pidflow_exporters::{ExporterSet, Mode, Stopper};
use pidflow_schema::FlowEndDetail;

use super::summary;
use crate::cli::ReadArgs;
use crate::config::options::{CaptureOptions, Options};
use crate::config::outputs::{Outputs, file_identity};
use crate::failure::{Failure, OrUsage};
use crate::memory::Budget;
use crate::pipeline::Reading;
use crate::privileges::{self, Role, in_role};
use crate::signals::{HeldSignals, Stop};
use crate::{config, inspection, logging, places, stderr, threads};
use pidflow_capture::{CaptureFiles, FileOptions, Filter, Interrupt, Opener};

/// Number of batches between two updates of the progress bar.
const PROGRESS_INTERVAL: u64 = 64;
/// How long slow receivers may take at the end of the last file.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

/// Reads all files. A damaged file does not prevent the others from being read.
pub(crate) fn execute(args: ReadArgs) -> Result<(), Failure> {
    let ReadArgs { captures, config, filter, flows, ndpi, places, export, log } = args;
    let capture = CaptureOptions { filter, ..CaptureOptions::default() };
    let given = Options { capture, flows, ndpi, places, export, log, ..Options::default() };
    let options = config::resolve(given, config.as_deref())?;
    logging::start(&options.log);
    if let Err(e) = privileges::keep_for_reading() {
        tracing::warn!("cannot give up privileges: {e:#}");
    }
    let outputs = Outputs::new(&options, Mode::Offline).or_usage()?;
    let inspection = inspection::start(&options.ndpi).or_usage()?;
    let places = places::start(options.places.settings()).or_usage()?;
    let filter = options.capture.filter.as_deref().map(Filter::new).transpose().or_usage()?;
    outputs.check(Role::Results)?;
    outputs.check_apart(config.iter().chain(&captures)).or_usage()?;
    let captures = distinct(captures);
    let signals = HeldSignals::new()?;
    let bar = progress_bar(&captures);
    let interrupt = Interrupt::new().context("cannot make an event descriptor")?;
    let (rules, opener) = (
        inspection::rules(options.flows.rules(), inspection.as_ref()),
        Opener::spawn(|| Role::Inputs.enter_or_warn()).context("cannot start a thread")?,
    );
    let file_options = FileOptions { filter, rules, interrupt: Some(interrupt.clone()), opener: Some(opener) };
    let files = CaptureFiles::new(captures, file_options);
    let start = || ExporterSet::start(&outputs.exporters, &outputs.context);
    let exporters = in_role(Role::Results, &outputs.written(), start)?.map_err(anyhow::Error::from)?;
    let (stopper, drain_timeout) = (exporters.stopper(), options.export.drain_timeout());
    let on_signal = move || {
        interrupt.raise();
        stop_after(drain_timeout, stopper);
    };
    let stop = signals.watch(None, on_signal)?;
    Role::Reading.enter_or_warn();
    let mut table = FlowTable::new(options.flows.table());
    if let Some(inspection) = inspection {
        inspection.attach(&mut table, Budget::of_other_commands().inspection_bytes());
    }
    let only = options.export.only.map(|only| only.0);
    read_all(Reading::new(files, table, exporters, only).with_places(places), &bar, (&stop, drain_timeout))
}

/// Each file once, whatever its names, so that no packet is counted twice.
fn distinct(captures: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut known = HashSet::new();
    let is_new = |path: &PathBuf| {
        let is_new = file_identity(path).is_none_or(|file| known.insert(file));
        if !is_new {
            tracing::warn!("{} is a file that is named before; it is read once", path.display());
        }
        is_new
    };
    captures.into_iter().filter(is_new).collect()
}

/// Closes the exporters' queues when the time is up. Until then they accept the records read. Closing releases a thread
/// that waits for room in a queue.
fn stop_after(drain_timeout: Duration, stopper: Stopper) {
    let now = stopper.clone();
    let wait = move || {
        std::thread::sleep(drain_timeout);
        stopper.stop_within(Duration::ZERO);
    };
    if std::thread::Builder::new().name("stop-exporters".into()).spawn(wait).is_err() {
        now.stop_within(drain_timeout);
    }
}

/// Reads until the end or a signal. After a signal, exporters have `drain_timeout` to finish.
fn read_all(mut reading: Reading, bar: &ProgressBar, (stop, drain_timeout): (&Stop, Duration)) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for turn in 1_u64.. {
        if stop.requested() {
            faults.push("interrupted, the rest was not read".to_owned());
            break;
        }
        match reading.turn() {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => faults.push(e.to_string()),
        }
        if turn.is_multiple_of(PROGRESS_INTERVAL) {
            bar.set_position(reading.bytes_read());
        }
    }
    let ended = if stop.requested() {
        reading.finish(FlowEndDetail::Shutdown, drain_timeout)
    } else {
        reading.finish(FlowEndDetail::EndOfCapture, MAX_DRAIN)
    };
    bar.finish_and_clear();
    if ended.capture.packets > 0 || faults.is_empty() {
        stderr::say(&summary::reading(&ended));
    }
    faults.extend(summary::lost(&ended.exporters));
    faults.extend(threads::check_vital().err().map(|e| e.to_string()));
    if faults.is_empty() { Ok(()) } else { Err(anyhow!(faults.join("; ")).into()) }
}

/// Shown on a terminal only, and only if the total size is known.
fn progress_bar(captures: &[PathBuf]) -> ProgressBar {
    let size = |path: &PathBuf| std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len());
    let total: Option<u64> = captures.iter().filter(|p| *p != Path::new("-")).map(size).sum();
    let has_stdin = captures.iter().any(|p| p == Path::new("-"));
    let (Some(total), false) = (total, has_stdin) else { return ProgressBar::hidden() };
    let style = ProgressStyle::with_template("reading [{bar:30}] {percent:>3} %  {decimal_bytes_per_sec}  {eta} left");
    // The template is a constant. If it were invalid, the default bar would be used.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style.progress_chars("=> "))
}
