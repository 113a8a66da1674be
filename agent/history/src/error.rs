//! What can go wrong with a history.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// An error of a folder or file of a history. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A folder or file cannot be used.
    #[error("history {}: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// SQLite reports an error.
    #[error("history {}: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite reports.
        error: rusqlite::Error,
    },
    /// The file contains something else than a history, or is damaged.
    #[error("history {}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The time limit of a query is over.
    #[error("the time limit of the query is over; ask for less time, or with a narrower expression")]
    TimeOver,
    /// A query has too many groups.
    #[error("the query has more than {0} groups; ask for less time, or with a narrower expression")]
    TooManyGroups(usize),
}

impl HistoryError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), what: what.into() }
    }

    /// The error of SQLite for this file.
    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TimeOver,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::damaged(path, error.to_string()),
            _ => Self::Sqlite { path: path.into(), error },
        }
    }

    /// Whether the file itself is the cause, so that it must not be used any more.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the disk has no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { error, .. } => matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            Self::Sqlite { error, .. } => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
            }
            _ => false,
        }
    }
}
