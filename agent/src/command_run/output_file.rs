//! Files that are written when the command has ended. They are opened before it starts, as the invoking user: a file
//! that cannot be written is found at once, and belongs to the user.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::invoker::Invoker;

/// The greatest size of a file that is read, bytes.
const MAX_READ: u64 = 64 << 20;

/// A file to write.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// Opens or creates a file, which is read before it is written (`is_read`) or not. What it contains stays until [`Self::replace`].
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path, is_read: bool) -> Result<Self> {
        let invoker = Invoker::find(|name| std::env::var_os(name))?;
        let mut options = File::options();
        // A pipe is not opened for reading, because it would have no end then.
        options.read(is_read && (path.is_file() || !path.exists())).write(true).create(true).truncate(false);
        let opened = Invoker::while_opening(invoker.as_ref(), || options.open(path));
        let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Its path as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it contains; empty for a new file.
    ///
    /// # Errors
    /// It cannot be read, or is no text.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        if self.is_regular() {
            let read = (&mut self.file).take(MAX_READ).read_to_string(&mut text);
            read.with_context(|| format!("cannot read {}", self.path.display()))?;
        }
        Ok(text)
    }

    /// Writes it anew.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn replace(&mut self, text: &str) -> Result<()> {
        self.write(text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        if self.is_regular() {
            self.file.rewind()?;
            self.file.set_len(0)?;
        }
        self.file.write_all(text.as_bytes())
    }

    fn is_regular(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.is_file())
    }
}
