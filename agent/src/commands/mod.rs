//! One file per command.

mod audit;
mod check;
mod collect;
mod doctor;
mod fields;
mod generate;
mod preflight;
#[cfg(feature = "history")]
mod query;
mod read;
mod run;
mod run_command;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::Command;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Fields(args) => fields::execute(&args).map(fine),
        Command::Generate(args) => generate::execute(&args).map(fine),
        Command::Check(args) => check::execute(&args).map(fine),
        #[cfg(feature = "history")]
        Command::Query(args) => query::execute(&args),
        Command::Audit(args) => audit::execute(&args),
        Command::Doctor(args) => doctor::execute(&args),
        Command::Collect(args) => collect::execute(*args).map(fine),
        Command::Read(args) => read::execute(*args).map(fine),
        Command::Run(args) if args.command.is_empty() => run::execute(*args).map(fine),
        Command::Run(args) => Ok(run_command::execute(*args)),
    }
}

/// Writes the output of a command to standard output.
fn print(text: &[u8]) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(text).context("cannot write to standard output")?)
}

fn fine((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
