//! Why a server could not be asked.

use std::io;

use hyper::StatusCode;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server cannot be reached, or is not the right one.
    #[error("{0}")]
    Unreachable(String),
    /// The server refused the request.
    #[error("HTTP {0}: {1}")]
    Refused(StatusCode, String),
    /// What was asked for starts at a version that the server no longer has (410).
    #[error("the version is no longer available")]
    Gone,
    /// The answer cannot be used.
    #[error("{0}")]
    Unusable(String),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Unreachable(e.to_string())
    }
}

impl From<hyper::Error> for Failure {
    fn from(e: hyper::Error) -> Self {
        let source = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        Self::Unreachable(format!("{e}{source}"))
    }
}
