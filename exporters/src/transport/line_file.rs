//! Files of lines: appending, compression, rotation by size and time, and deletion of the oldest.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use crate::config::{FileCompression, LineFileConfig};

use super::named_file::{FileState, NamedFile};
use super::write::{Written, lines, write_counting};

const SECOND_NS: u64 = 1_000_000_000;
/// zstd's default level.
const ZSTD_LEVEL: i32 = 3;
/// Maximum number of files with the same time in their name; more are an error.
const MAX_FILES_OF_A_NAME: u32 = 10_000;

/// The current file.
pub(super) struct LineFile {
    config: LineFileConfig,
    named: NamedFile,
    /// Offset of the end of its last whole line or compressed part; none: not a regular file.
    length: Option<u64>,
    /// Number of rotation periods since the epoch when the file was begun.
    turn: u64,
}

impl LineFile {
    /// Continues the file with that name, or the first numbered one that is not full.
    pub(super) fn open(config: &LineFileConfig, now_ns: u64) -> Result<Self, (PathBuf, io::Error)> {
        let mut number = 0;
        loop {
            let path = config.name.at(now_ns, number);
            let (named, length) = append(&path, config).map_err(|e| (path.clone(), e))?;
            let is_full = length.zip(config.rotate_octets).is_some_and(|(length, most)| length >= most);
            if !is_full || number >= MAX_FILES_OF_A_NAME {
                let turn = turn(config, now_ns);
                return Ok(Self { config: config.clone(), named, length, turn });
            }
            number += 1;
        }
    }

    /// Whether the next lines belong to the next file.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        let is_full = self.length.zip(self.config.rotate_octets).is_some_and(|(length, most)| length >= most);
        is_full || self.turn != turn(&self.config, now_ns)
    }

    /// Checks whether the file was moved, deleted or truncated meanwhile, and opens the file that has the name now.
    ///
    /// # Errors
    /// The file with this name cannot be opened; the old file is written to instead.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        match self.named.whereabouts()? {
            FileState::Moved => {
                let again = self.named.again()?;
                (self.length, self.named) = (again.length()?, again);
                tracing::info!("{}: was moved or deleted; it is opened again", self.named.path.display());
            }
            // The file was truncated, for example by logrotate's `copytruncate`. Writing at the old offset would fill
            // the file with zeros.
            FileState::InPlace(now) => self.length = self.length.min(now),
        }
        Ok(())
    }

    /// Whether written data is lost, because the file was deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.named.is_deleted()
    }

    /// Begins the next file and deletes the oldest. If it cannot, it continues with the current file.
    pub(super) fn rotate(&mut self, now_ns: u64) -> io::Result<()> {
        let next = self.create(now_ns)?;
        if self.length == Some(0) && self.named.whereabouts()? != FileState::Moved {
            fs::remove_file(&self.named.path)?;
        }
        (self.named, self.length) = (next, Some(0));
        self.turn = turn(&self.config, now_ns);
        self.delete_oldest()
    }

    fn create(&self, now_ns: u64) -> io::Result<NamedFile> {
        for number in 0..MAX_FILES_OF_A_NAME {
            match NamedFile::create_new(&self.config.name.at(now_ns, number), self.config.mode) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many files of one name"))
    }

    /// Other files of the same name pattern.
    fn others(&self) -> io::Result<Vec<PathBuf>> {
        let mut others = Vec::new();
        for entry in fs::read_dir(self.config.name.folder())? {
            let entry = entry?;
            if self.config.name.made(&entry.file_name())
                && Some(entry.file_name().as_os_str()) != self.named.path.file_name()
            {
                others.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        others.sort();
        Ok(others.into_iter().map(|(_, path)| path).collect())
    }

    fn delete_oldest(&self) -> io::Result<()> {
        let Some(keep) = self.config.keep else { return Ok(()) };
        let others = self.others()?;
        let surplus = (others.len() + 1).saturating_sub(keep);
        others.iter().take(surplus).try_for_each(fs::remove_file)
    }

    /// Writes the lines, or as many of them as possible.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Written {
        match compressed(self.config.compression, bytes) {
            Ok(None) => self.write_plain(bytes),
            Ok(Some(part)) => self.write_part(&part, lines(bytes)),
            Err(e) => Written::nothing(e),
        }
    }

    fn write_plain(&mut self, bytes: &[u8]) -> Written {
        let (written, result) = write_counting(&mut self.named.file, bytes);
        let end = bytes.get(..written).and_then(|b| b.iter().rposition(|b| *b == b'\n')).map_or(0, |at| at + 1);
        let whole = lines(bytes.get(..end).unwrap_or_default());
        Written { lines: whole, octets: end, result: result.and(self.keep(end, written)) }
    }

    /// Writes all of the data or nothing.
    fn write_part(&mut self, part: &[u8], lines: usize) -> Written {
        let (written, result) = write_counting(&mut self.named.file, part);
        let octets = if written == part.len() { written } else { 0 };
        let kept = self.keep(octets, written);
        let lines = if octets > 0 { lines } else { 0 };
        Written { lines, octets, result: result.and(kept) }
    }

    /// Removes an incomplete line, which would damage the next one. Truncating works on a full disk too.
    fn keep(&mut self, octets: usize, written: usize) -> io::Result<()> {
        let Some(length) = &mut self.length else { return Ok(()) };
        *length += octets as u64;
        if octets < written { self.named.file.set_len(*length) } else { Ok(()) }
    }
}

fn turn(config: &LineFileConfig, now_ns: u64) -> u64 {
    config.rotate_seconds.map_or(0, |seconds| now_ns / SECOND_NS / seconds.max(1))
}

fn append(path: &Path, config: &LineFileConfig) -> io::Result<(NamedFile, Option<u64>)> {
    let named = NamedFile::append(path, config.mode)?;
    let length = named.length()?;
    Ok((named, length))
}

/// A complete compressed part; none: no compression.
pub(super) fn compressed(how: FileCompression, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    match how {
        FileCompression::None => Ok(None),
        FileCompression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes)?;
            encoder.finish().map(Some)
        }
        FileCompression::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL).map(Some),
    }
}
