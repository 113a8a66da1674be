//! One file per command.

mod fields;
mod generate;

use crate::cli::Command;
use crate::failure::Failure;

/// Does what the command line says.
pub(crate) fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Fields(args) => fields::execute(&args),
        Command::Generate(args) => generate::execute(&args),
        _ => Ok(()),
    }
}
