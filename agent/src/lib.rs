//! The pidflow agent: every network flow of a Linux host, with the processes at both ends.
//!
//! The binary only calls [`run`]. Items that examples, fuzz targets and tests use directly are public; all others are
//! private.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

#[cfg(test)]
mod allocated;
mod allocator;
pub mod capture;
mod cli;
mod clock;
mod collect;
mod command_run;
mod commands;
mod config;
mod containers;
mod element_description;
mod exposition;
mod failure;
mod figures;
mod history;
mod host;
mod host_files;
mod http;
mod http_client;
mod kubernetes;
mod ledger;
mod live_view;
mod logging;
mod memory;
mod metrics;
mod notify;
mod observe;
mod output_folders;
mod pacing;
mod pipeline;
mod pod_owner;
mod printable;
pub mod privacy;
mod privileges;
mod probes;
mod published;
mod reload;
#[cfg(test)]
mod sample;
mod select;
mod self_test;
mod shedding;
mod signals;
mod stderr;
mod threads;
mod translation;

use std::process::ExitCode;

use clap::Parser;
use pidflow_exporters::threads::log_panics;

/// Runs the program: reads the command line, executes the command, and returns the exit code: 0 success, 1 failed while
/// running, 2 wrong usage or configuration. Every error has been written to standard error as one line.
#[must_use]
pub fn run() -> ExitCode {
    log_panics(logging::say_panic);
    signals::survive_file_size_limit();
    let command = match cli::Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(e) => return cli::report(&e),
    };
    match commands::execute(command) {
        Ok(code) => code,
        Err(e) if e.is_broken_pipe() => ExitCode::SUCCESS,
        Err(e) => {
            stderr::say(&format!("pidflow: {e}"));
            e.exit_code()
        }
    }
}
