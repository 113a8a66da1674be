//! A file that has its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::FileMode;
use crate::private_files;

/// What the name of an incomplete file begins and ends with. Hive, Spark and Arrow ignore names that begin with a dot, and
/// nothing looks for this end.
const PART_START: char = '.';
const PART_END: &str = ".parquet.part";
/// How often a file is created that others remove at once.
const MAX_ATTEMPTS: u32 = 3;

/// An incomplete file. It is locked as long as it is open, and removed unless it was finished.
#[derive(Debug)]
pub(super) struct PartFile {
    file: File,
    part: PathBuf,
    name: PathBuf,
}

impl PartFile {
    /// Creates a file that will be `FOLDER/STEM.parquet`, and its folder.
    pub(super) fn create(folder: &Path, stem: &str, mode: Option<FileMode>) -> io::Result<Self> {
        private_files::create_folder_for(folder, mode)?;
        let part = folder.join(format!("{PART_START}{stem}{PART_END}"));
        for _ in 0..MAX_ATTEMPTS {
            let file = private_files::create_new(&part, mode)?;
            file.lock()?;
            // Another agent that starts now may take it for a leftover, and remove it, until it is locked.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self { file, part, name: folder.join(format!("{stem}.parquet")) });
            }
        }
        Err(io::Error::new(ErrorKind::Interrupted, "other agents remove incomplete files all the time"))
    }

    /// Gives the file its name, when its content and the folder's are on the disk. Returns its size in bytes.
    pub(super) fn finish(self) -> io::Result<u64> {
        self.file.sync_all()?;
        let octets = self.file.metadata()?.len();
        fs::rename(&self.part, &self.name)?;
        if let Some(folder) = self.name.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(octets)
    }
}

impl Write for PartFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    /// A finished file has another name already.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

/// Whether a file of that name is an incomplete one.
pub(super) fn is_part(name: &str) -> bool {
    name.starts_with(PART_START) && name.ends_with(PART_END)
}
