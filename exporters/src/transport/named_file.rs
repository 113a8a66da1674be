//! A file that others may move, delete or truncate while it is written, as logrotate does.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::FileMode;
use crate::private_files;

/// An open file and its name.
pub(super) struct NamedFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    mode: Option<FileMode>,
    /// Device and inode; none: not a regular file, so it is not rotated.
    identity: Option<(u64, u64)>,
}

/// The file's current state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// The name still belongs to the file, which has this many bytes; none: not a regular file.
    InPlace(Option<u64>),
    /// The name belongs to another file, or to none.
    Moved,
}

impl NamedFile {
    /// Opens the file with that name for appending, and creates it with that mode if it is missing.
    pub(super) fn append(path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        Self::of(private_files::append(path, mode)?, path, mode)
    }

    /// Creates a file with that name, which must not exist.
    pub(super) fn create_new(path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        Self::of(private_files::create_new(path, mode)?, path, mode)
    }

    fn of(file: File, path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let identity = metadata.is_file().then(|| identity(&metadata));
        Ok(Self { file, path: path.into(), mode, identity })
    }

    /// Opens the file that has the name now.
    pub(super) fn again(&self) -> io::Result<Self> {
        Self::append(&self.path, self.mode)
    }

    /// Size in bytes; none: not a regular file.
    pub(super) fn length(&self) -> io::Result<Option<u64>> {
        self.file.metadata().map(|m| m.is_file().then_some(m.len()))
    }

    /// Checks whether the name still belongs to the file.
    pub(super) fn whereabouts(&self) -> io::Result<FileState> {
        let Some(own) = self.identity else { return Ok(FileState::InPlace(None)) };
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == own => Ok(FileState::InPlace(Some(found.len()))),
            Ok(_) => Ok(FileState::Moved),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(FileState::Moved),
            Err(e) => Err(e),
        }
    }

    /// Whether the file has no name any more, so that data written to it is lost.
    pub(super) fn is_deleted(&self) -> bool {
        self.identity.is_some() && self.file.metadata().is_ok_and(|m| m.nlink() == 0)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
