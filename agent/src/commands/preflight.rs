//! Checks whether `run` could start, without starting anything: nothing is written, created or connected to.

use anyhow::Result;

use crate::capture::{Filter, Interfaces, LiveCapture};
use crate::config::options::{CaptureOptions, Options};
use crate::http;
use crate::privileges::{Role, in_role};

/// Everything but exporters, which `pidflow_exporters::check` tries.
///
/// # Errors
/// Of the first thing that would fail: what, and what to do.
pub(super) fn check(options: &Options) -> Result<()> {
    options.capture.filter.as_deref().map(Filter::new).transpose()?;
    LiveCapture::check_there(&interfaces(&options.capture)?)?;
    options.privacy.policy()?;
    let settings = http::Settings::read(&options.http)?;
    // Ports below 1024 need a capability that a running agent does not have.
    in_role(Role::Exporters, &[], || settings.try_addresses())?
}

/// The interfaces that are asked for.
pub(super) fn interfaces(c: &CaptureOptions) -> Result<Interfaces> {
    let names: Vec<String> = c.interfaces.iter().map(|name| name.to_string()).collect();
    Ok(Interfaces::from_names(&names)?)
}
