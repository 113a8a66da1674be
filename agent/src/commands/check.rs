//! `pidflow check`: checks a configuration file as `run` and `collect` would, without running.

use anyhow::Context;
use pidflow_exporters::{ExporterConfig, Mode, Unusable};

use super::{preflight, print};
use crate::cli::CheckArgs;
use crate::collect;
use crate::config::options::Options;
use crate::config::outputs::{Outputs, start_error};
use crate::config::{self, CollectOptions};
use crate::failure::{Failure, OrUsage};
use crate::privileges::Role;

/// Reports that the file is valid, or what is wrong with it and where.
pub(crate) fn execute(args: &CheckArgs) -> Result<(), Failure> {
    let options = config::load(&args.config).or_usage()?;
    let outputs = Outputs::new(&options, Mode::Live).with_context(|| args.config.display().to_string()).or_usage()?;
    let apart =
        outputs.check_apart([&args.config].into_iter()).and_then(|()| outputs.check_apart(options.files_read()));
    apart.with_context(|| args.config.display().to_string()).or_usage()?;
    check_exporters(args, &options, &outputs).or_usage()?;
    check_collect(args, &options.collect).or_usage()?;
    preflight::check(&options).with_context(|| args.config.display().to_string()).or_usage()?;
    print(format!("{}: valid\n", args.config.display()).as_bytes())
}

/// Checks whether the exporters could be started. An error names the file and the line.
fn check_exporters(args: &CheckArgs, options: &Options, outputs: &Outputs) -> anyhow::Result<()> {
    outputs.try_out(Role::Exporters)?.map_err(|Unusable { index, error }| {
        let line = match index.checked_sub(outputs.exporters.len() - options.exporters.len()) {
            Some(number) => config::line_of_exporter(&args.config, number, error.key()),
            None => config::line_of_option(&args.config, option(outputs.exporters.get(index))),
        };
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        start_error(error).context(format!("{}{line}", args.config.display()))
    })
}

/// Checks whether `pidflow collect` could receive. An error names the file and the line.
fn check_collect(args: &CheckArgs, options: &CollectOptions) -> anyhow::Result<()> {
    collect::check(options).map_err(|unusable| {
        let line = config::line_of_collect(&args.config, unusable.key, &unusable.address);
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        unusable.error.context(format!("{}{line}", args.config.display()))
    })
}

/// The output flag's key that an exporter comes from.
fn option(exporter: Option<&ExporterConfig>) -> Option<&'static str> {
    match exporter?.output.kind() {
        "ipfix" | "netflow9" => Some("collectors"),
        kind => Some(kind),
    }
}
