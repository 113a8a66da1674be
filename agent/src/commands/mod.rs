//! One file per command.

mod audit;
mod check;
mod doctor;
mod fields;
mod generate;
mod preflight;
mod read;
mod run;
mod summary;

use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::Failure;

/// Does what the command line says.
pub(crate) fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Fields(args) => fields::execute(&args).map(fine),
        Command::Generate(args) => generate::execute(&args).map(fine),
        Command::Check(args) => check::execute(&args).map(fine),
        Command::Audit(args) => audit::execute(&args),
        Command::Doctor(args) => doctor::execute(&args),
        Command::Read(args) => read::execute(*args).map(fine),
        Command::Run(args) => run::execute(*args).map(fine),
    }
}

fn fine((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
