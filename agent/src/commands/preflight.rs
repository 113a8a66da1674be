//! Checks whether `run` could start, without starting anything: nothing is written, created or connected to.

use anyhow::Result;

use crate::capture::{Filter, Interfaces, LiveCapture};
use crate::config::options::{CaptureOptions, Options};
use crate::http;

/// Everything but exporters, which `pidflow_exporters::check` tries.
///
/// # Errors
/// Of the first thing that would fail: what, and what to do.
pub(super) fn check(options: &Options) -> Result<()> {
    options.capture.filter.as_deref().map(Filter::new).transpose()?;
    LiveCapture::check_there(&interfaces(&options.capture)?)?;
    options.privacy.policy()?;
    http::Settings::read(&options.http)?.try_addresses()
}

/// The interfaces that are asked for.
pub(super) fn interfaces(c: &CaptureOptions) -> Result<Interfaces> {
    let names: Vec<String> = c.interfaces.iter().map(|name| name.to_string()).collect();
    Ok(Interfaces::from_names(&names)?)
}
