//! Checks whether `run` could start. It writes nothing, creates nothing and connects to nothing.

use anyhow::Result;

use crate::capture::{Interfaces, LiveCapture};
use crate::config::options::{CaptureOptions, Options};
use crate::privileges::{Role, in_role};
use crate::{http, inspection, places};
use pidflow_capture::Filter;

/// Checks everything except exporters, which `pidflow_exporters::check` tries.
///
/// # Errors
/// The first thing that would fail, and what to do.
pub(super) fn check(options: &Options) -> Result<()> {
    options.capture.filter.as_deref().map(Filter::new).transpose()?;
    LiveCapture::check_there(&interfaces(&options.capture)?)?;
    options.privacy.policy()?;
    inspection::start(&options.ndpi)?;
    places::check(options.places.settings())?;
    let settings = http::Settings::read(&options.http)?;
    // Ports below 1024 need a capability that a running agent does not have.
    in_role(Role::Exporters, &[], || settings.try_addresses())?
}

/// The requested interfaces.
pub(super) fn interfaces(c: &CaptureOptions) -> Result<Interfaces> {
    let names: Vec<String> = c.interfaces.iter().map(|name| name.to_string()).collect();
    Ok(Interfaces::from_names(&names)?)
}
