//! What a command leaves: the report, the baseline, and the exit code.

use anyhow::Context;

use crate::cli::ReportArgs;
use crate::command_run::baseline::Baseline;
use crate::command_run::report::{self, Circumstances, Compared, Report};
use crate::command_run::{OutputFile, Watch};
use crate::config::choices::ReportFormat;
use crate::failure::{Failure, OrUsage};
use crate::stderr;

/// The files, opened before the command starts.
pub(super) struct Results {
    format: ReportFormat,
    report: Option<OutputFile>,
    /// The file, and what it contained; none: it is new.
    baseline: Option<(OutputFile, Option<Baseline>)>,
    fails_on_new: bool,
}

impl Results {
    /// Opens them.
    ///
    /// # Errors
    /// A file cannot be written, or is no baseline.
    pub(super) fn open(args: &ReportArgs) -> Result<Self, Failure> {
        let report = args.report_file.as_deref().map(|path| OutputFile::open(path, false)).transpose().or_usage()?;
        let baseline = args.baseline.as_deref().map(|path| OutputFile::open(path, true)).transpose().or_usage()?;
        let baseline = baseline.map(known).transpose().or_usage()?;
        let format = args.report.unwrap_or(ReportFormat::Text);
        Ok(Self { format, report, baseline, fails_on_new: args.fail_on_new })
    }

    /// Compares, writes the report, and returns the exit code.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn finish(mut self, watch: &Watch, about: Circumstances) -> Result<u8, Failure> {
        let watched = watch.lock();
        let compared = self.compare(report::entries(&watched).collect())?;
        let report = report::make(&watched, Circumstances { baseline: compared, ..about });
        self.write(&report)?;
        Ok(if self.fails_on_new { report.code_of_comparison() } else { report.outcome.code() })
    }

    fn compare(&mut self, entries: Vec<report::Entry>) -> Result<Option<Compared>, Failure> {
        let Some((file, known)) = &mut self.baseline else { return Ok(None) };
        let name = file.path().display().to_string();
        if let Some(known) = known {
            return Ok(Some(Compared { file: name, is_new: false, new: known.new_among(entries) }));
        }
        file.replace(&Baseline::new(entries).text())?;
        Ok(Some(Compared { file: name, is_new: true, new: Vec::new() }))
    }

    fn write(&mut self, report: &Report) -> Result<(), Failure> {
        let text = match self.format {
            ReportFormat::Text => report::text(report),
            ReportFormat::Json => report.json(),
            ReportFormat::Markdown => report::markdown(report),
        };
        match &mut self.report {
            Some(file) => file.replace(&text)?,
            None => stderr::write(text.as_bytes()),
        }
        Ok(())
    }
}

/// What a baseline file contains; none: it is new, or was never written.
fn known(mut file: OutputFile) -> anyhow::Result<(OutputFile, Option<Baseline>)> {
    let text = file.text()?;
    let path = file.path().display().to_string();
    let parse = || Baseline::parse(&text).map_err(|e| anyhow::anyhow!("{path} is no baseline: {e}"));
    let baseline = (!text.trim().is_empty()).then(parse).transpose().context("--baseline")?;
    Ok((file, baseline))
}
