//! Why exporters cannot be started.

use std::path::PathBuf;

use crate::spool::SpoolError;

/// Why an exporter could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The output file.
    #[error("cannot write {}: {source}", path.display())]
    Open {
        /// The path as given.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file or folder that a key names.
    #[error("{exporter}: `{key}`: cannot write {}: {source}", path.display())]
    Write {
        /// Kind and target.
        exporter: String,
        /// The key.
        key: &'static str,
        /// What cannot be written.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread for {exporter}: {source}")]
    Thread {
        /// Kind and target.
        exporter: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The largest record of a template does not fit into a message.
    #[error(
        "{exporter}: `max-message` {max_message} is too small for the template, which needs {needed} bytes; remove elements or raise `max-message`"
    )]
    MessageTooSmall {
        /// Kind and target.
        exporter: String,
        /// The configured value.
        max_message: usize,
        /// Bytes of the largest record's fixed part, or of the largest template.
        needed: usize,
    },
    /// The OTLP client.
    #[error("{exporter}: {reason}")]
    Client {
        /// Kind and target.
        exporter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The spool.
    #[error("{exporter}: {source}")]
    Spool {
        /// Kind and target.
        exporter: String,
        /// What is wrong with it.
        source: SpoolError,
    },
}

impl StartError {
    /// The key of the exporter's table that the error is about, if any.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Open { .. } => Some("file"),
            Self::Write { key, .. } => Some(key),
            Self::MessageTooSmall { .. } => Some("max-message"),
            Self::Spool { .. } => Some("spool"),
            Self::Client { reason, .. } => reason.strip_prefix('`')?.split_once('`').map(|(key, _)| key),
            Self::Thread { .. } => None,
        }
    }
}
