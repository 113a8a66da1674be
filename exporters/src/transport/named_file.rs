//! A file that others may move, delete or cut short under its writer, as logrotate does.

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
    /// Device and inode; none: not a regular file, which nobody rotates.
    identity: Option<(u64, u64)>,
}

/// The file's current state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// It is where it was, and so many bytes long; none: it is not a regular file.
    InPlace(Option<u64>),
    /// Its name leads to another file, or to none.
    Moved,
}

impl NamedFile {
    /// Appends to the file of that name; makes it, with that mode, when it is missing.
    pub(super) fn append(path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        Self::of(private_files::append(path, mode)?, path, mode)
    }

    /// Makes a file of that name, which there must not be.
    pub(super) fn create_new(path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        Self::of(private_files::create_new(path, mode)?, path, mode)
    }

    fn of(file: File, path: &Path, mode: Option<FileMode>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let identity = metadata.is_file().then(|| identity(&metadata));
        Ok(Self { file, path: path.into(), mode, identity })
    }

    /// Appends to what bears the name now.
    pub(super) fn again(&self) -> io::Result<Self> {
        Self::append(&self.path, self.mode)
    }

    /// Bytes; none: not a regular file.
    pub(super) fn length(&self) -> io::Result<Option<u64>> {
        self.file.metadata().map(|m| m.is_file().then_some(m.len()))
    }

    /// Looks where the file is.
    pub(super) fn whereabouts(&self) -> io::Result<FileState> {
        let Some(own) = self.identity else { return Ok(FileState::InPlace(None)) };
        match fs::metadata(&self.path) {
            Ok(found) if identity(&found) == own => Ok(FileState::InPlace(Some(found.len()))),
            Ok(_) => Ok(FileState::Moved),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(FileState::Moved),
            Err(e) => Err(e),
        }
    }

    /// Whether no name leads to the file any more, so that what is written to it is lost.
    pub(super) fn is_deleted(&self) -> bool {
        self.identity.is_some() && self.file.metadata().is_ok_and(|m| m.nlink() == 0)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
