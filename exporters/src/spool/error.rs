//! Why a spool cannot be used.

use std::io;
use std::path::PathBuf;

/// Said at the start.
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
    /// Each exporter of each agent needs one of its own.
    #[error("the spool {} is in use by another exporter; give each its own folder", folder.display())]
    InUse {
        /// As configured.
        folder: PathBuf,
    },
}
