//! Errors when a spool is opened.

use std::io;
use std::path::PathBuf;

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder.
    #[error("cannot use the spool {}: {source}", folder.display())]
    Folder {
        /// As configured.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another exporter or agent uses the folder; each needs its own.
    #[error("the spool {} is in use by another exporter; give each its own folder", folder.display())]
    InUse {
        /// As configured.
        folder: PathBuf,
    },
}
