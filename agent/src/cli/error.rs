//! clap's errors on one line.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::failure::one_line;
use crate::stderr;

/// Prints the help if the user asked for it, otherwise the error on one line. Returns the exit code.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that closes the pipe early (`pidflow --help | head -1`) is not an error.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            complain("no command given; try run, read, fields, check, audit or doctor")
        }
        _ => complain(&line(&error.to_string())),
    }
}

fn complain(message: &str) -> ExitCode {
    stderr::say(&format!("pidflow: {message}; see pidflow --help"));
    ExitCode::from(2)
}

/// The message without the usage and the hint to the help that clap adds.
fn line(rendered: &str) -> String {
    let said = rendered.lines().filter(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"));
    let text = one_line(&said.collect::<Vec<_>>().join("\n"));
    text.trim_start_matches("error: ").replace(":; ", ": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn said(args: &[&str]) -> String {
        line(&Cli::try_parse_from(args).unwrap_err().to_string())
    }

    #[test]
    fn a_wrong_flag_is_one_line_with_the_nearest_one() {
        let text = said(&["pidflow", "run", "--jsom", "x"]);
        assert!(text.contains("--jsom") && text.contains("--json") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_wrong_value_says_what_is_allowed() {
        let text = said(&["pidflow", "run", "--probes", "magic"]);
        assert!(text.contains("magic") && text.contains("kprobe") && !text.contains("Usage"), "{text}");
        assert!(said(&["pidflow", "run", "-t", "soon"]).contains("15s"));
    }

    #[test]
    fn a_missing_argument_is_named() {
        assert!(said(&["pidflow", "read"]).contains("<CAPTURE>"), "{}", said(&["pidflow", "read"]));
    }
}
