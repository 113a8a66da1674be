//! Failures of the program: one line for the operator, and the exit code.

use std::fmt;
use std::process::ExitCode;

use crate::printable::clean;

/// A failure, by its cause.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or configuration: exit code 2.
    Usage(anyhow::Error),
    /// Failed while running: exit code 1.
    Running(anyhow::Error),
}

impl Failure {
    /// 2 for wrong usage or configuration, otherwise 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Running(_) => ExitCode::from(1),
        }
    }

    fn cause(&self) -> &anyhow::Error {
        match self {
            Self::Usage(e) | Self::Running(e) => e,
        }
    }

    /// Whether the reader of standard output closed the pipe, which is not a failure (`pidflow fields | head`).
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let mut io = self.cause().chain().filter_map(|e| e.downcast_ref::<std::io::Error>());
        io.any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = self.cause().chain().map(ToString::to_string);
        let said = causes.fold(String::new(), |said, cause| match said.as_str() {
            "" => cause,
            // Many errors already contain their cause.
            s if s.contains(&cause) => said,
            s => format!("{s}: {cause}"),
        });
        write!(f, "{}", one_line(&said))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(e: anyhow::Error) -> Self {
        Self::Running(e)
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::Running(e.into())
    }
}

/// Marks an error as one of usage or configuration.
pub(crate) trait OrUsage<T> {
    /// The same, as [`Failure::Usage`].
    fn or_usage(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrUsage<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(|e| Failure::Usage(e.into()))
    }
}

/// Joins a message of several lines into one, without control characters.
pub(crate) fn one_line(message: &str) -> String {
    let message = clean(message);
    let lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let e = anyhow::anyhow!("no such file\n  at all\n").context("cannot read x");
        assert_eq!(Failure::Running(e).to_string(), "cannot read x: no such file; at all");
    }

    #[test]
    fn an_error_does_not_steer_the_terminal() {
        let e = anyhow::anyhow!("x\u{1b}[2J\u{202e}y");
        assert_eq!(Failure::Running(e).to_string(), "x?[2J?y");
    }

    #[test]
    fn a_cause_is_said_once() {
        let e = anyhow::anyhow!("no such file").context("cannot write x: no such file");
        assert_eq!(Failure::Running(e).to_string(), "cannot write x: no such file");
    }

    #[test]
    fn a_broken_pipe_is_found_below_its_context() {
        let e = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).context("cannot write");
        assert!(Failure::Running(e).is_broken_pipe());
    }
}
