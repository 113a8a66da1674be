//! `pidflow check`: tries a configuration file without running.

use std::io::Write;

use anyhow::Context;
use pidflow_exporters::Mode;

use crate::capture::Filter;
use crate::cli::CheckArgs;
use crate::config;
use crate::config::outputs::Outputs;
use crate::failure::{Failure, OrUsage};
use crate::http;

/// Says that the file is fine, or what is wrong with it and where.
pub(crate) fn execute(args: &CheckArgs) -> Result<(), Failure> {
    let options = config::load(&args.config).or_usage()?;
    Outputs::new(&options, Mode::Live).with_context(|| args.config.display().to_string()).or_usage()?;
    options.capture.filter.as_deref().map(Filter::new).transpose().or_usage()?;
    http::Settings::check(&options.http).with_context(|| args.config.display().to_string()).or_usage()?;
    Ok(writeln!(std::io::stdout(), "{}: fine", args.config.display())?)
}
