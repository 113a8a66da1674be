//! Files of records.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::private_files;

use super::reader::{Entry, Reader};
use super::record;

const MAGIC: [u8; 8] = *b"pidflow\x1e";
/// Magic, format, the sequence number of the first record, and the CRC-32 of these.
const HEADER: u64 = 8 + 4 + 8 + 4;
/// Offset of the sequence number in the header.
const SEQUENCE_OFFSET: usize = 8 + 4;
const SUFFIX: &str = ".records";
/// Number of digits of a sequence number in a file name: as many as the largest number has, so that names sort like
/// numbers.
const DIGITS: usize = 20;

/// What is known of a segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    path: Arc<Path>,
    /// Sequence number of its first record.
    pub(super) first: u64,
    /// Number of records, including damaged ones.
    pub(super) records: u64,
    /// Size in bytes, including the header.
    pub(super) octets: u64,
}

/// Records that were read, without gaps between them.
pub(super) struct Read {
    pub(super) records: Vec<FlowRecord>,
    /// Where they begin. Without records: where the next readable record begins, if there is one.
    pub(super) from: Option<u64>,
    /// Where they end.
    pub(super) after: u64,
    /// Without records: the sequence number of the next readable record, or the one after the segment's last record at
    /// that time.
    pub(super) until: u64,
}

impl Read {
    /// Accepts the record if it is the next one. `before` and `after` are the reader's positions. Returns whether to
    /// continue reading.
    fn take(&mut self, entry: Entry, sequence: u64, due: u64, (before, after): (u64, u64)) -> bool {
        match entry.record {
            Some(record) if sequence == due => {
                self.from.get_or_insert(entry.position);
                self.after = after;
                self.records.push(record);
                true
            }
            Some(_) if self.records.is_empty() => {
                (self.from, self.until) = (Some(entry.position), sequence);
                false
            }
            None if self.records.is_empty() => true,
            // The next read begins with the gap.
            _ => {
                self.after = before;
                false
            }
        }
    }
}

/// Creates a file for records from that number on. If a segment of another version of pidflow has the same name, it is
/// kept, and another name is used.
fn create(folder: &Path, first: u64) -> io::Result<(Arc<Path>, File)> {
    let name = |further: u64| match further {
        0 => format!("{first:0DIGITS$}{SUFFIX}"),
        n => format!("{first:0DIGITS$}-{n}{SUFFIX}"),
    };
    for further in 0.. {
        let path: Arc<Path> = folder.join(name(further)).into();
        match private_files::create_new(&path, None) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (path, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Segment {
    /// A new, empty segment.
    pub(super) fn create(folder: &Path, first: u64) -> io::Result<(Self, Writer)> {
        let (path, mut file) = create(folder, first)?;
        file.write_all(&header(first)).inspect_err(|_| _ = fs::remove_file(&path))?;
        let writer = Writer { file, octets: HEADER, records: 0, buffer: Vec::new() };
        Ok((Self { path, first, records: 0, octets: HEADER }, writer))
    }

    /// Sequence number after its last record.
    pub(super) const fn end(&self) -> u64 {
        self.first + self.records
    }

    /// If a segment cannot be removed, the next run removes it, or finds that it is delivered.
    pub(super) fn remove(&self) {
        if let Err(e) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {e}", self.path.display());
        }
    }

    /// At most `limit` records from that sequence number on, which is at `offset` if known. A missing file is damage; a
    /// file that cannot be opened for another reason is tried again later.
    pub(super) fn read(&self, from: u64, offset: Option<u64>, limit: usize) -> io::Result<Read> {
        let limit = limit.min(usize::try_from(self.end().saturating_sub(from)).unwrap_or(usize::MAX));
        let mut read = Read { records: Vec::with_capacity(limit), from: None, after: 0, until: self.end() };
        let mut reader = match Reader::open(&self.path, offset.unwrap_or(HEADER)) {
            Ok(reader) => reader,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(read),
            Err(e) => return Err(e),
        };
        let mut goes_on = true;
        while goes_on && read.records.len() < limit {
            let due = from + read.records.len() as u64;
            let position = reader.position();
            let Some((sequence, entry)) = self.next(&mut reader, due) else { break };
            goes_on = sequence < due || read.take(entry, sequence, due, (position, reader.position()));
        }
        Ok(read)
    }

    /// The next record that the segment had when it was last looked at, with its sequence number.
    fn next(&self, reader: &mut Reader, due: u64) -> Option<(u64, Entry)> {
        let entry = reader.next(u32::try_from(due - self.first).unwrap_or(u32::MAX))?;
        let sequence = self.first + u64::from(entry.index);
        (sequence < self.end()).then_some((sequence, entry))
    }
}

/// Appends to a segment.
pub(super) struct Writer {
    file: File,
    octets: u64,
    records: u32,
    buffer: Vec<u8>,
}

impl Writer {
    /// Bytes of the segment.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Writes records until the segment has reached the size `largest`. Returns how many were written, none on an
    /// error: an incomplete write is truncated, and if that fails too, is detected by its checksum.
    pub(super) fn append(&mut self, records: &[FlowRecord], largest: u64) -> (usize, io::Result<()>) {
        self.buffer.clear();
        let mut count = 0;
        for (index, record) in (self.records..).zip(records) {
            if self.octets + self.buffer.len() as u64 >= largest {
                break;
            }
            record::put(record, index, &mut self.buffer);
            count += 1;
        }
        match self.file.write_all(&self.buffer) {
            Ok(()) => {
                self.octets += self.buffer.len() as u64;
                self.records += count;
                (count as usize, Ok(()))
            }
            Err(e) => {
                let _ = self.file.set_len(self.octets);
                (0, Err(e))
            }
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The segments of a folder, oldest first. Other files are logged and ignored.
pub(super) fn scan(folder: &Path) -> io::Result<VecDeque<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_segment(&path) {
            match examine(&path) {
                Some(segment) => found.push(segment),
                None => {
                    tracing::warn!(
                        "{} was written by another version of pidflow or is damaged; it is not read",
                        path.display()
                    )
                }
            }
        }
    }
    found.sort_by_key(|s| s.first);
    found.dedup_by(|later, earlier| later.first < earlier.end());
    Ok(found.into())
}

/// The header of a segment.
fn header(first: u64) -> Vec<u8> {
    let checked = [MAGIC.as_slice(), &record::FORMAT.to_le_bytes(), &first.to_le_bytes()].concat();
    let sum = crc32fast::hash(&checked).to_le_bytes();
    [checked.as_slice(), &sum].concat()
}

/// Whether a file has the name of a segment.
pub(super) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|e| SUFFIX.get(1..).is_some_and(|s| e == s))
}

/// The sequence number of the first record from the file's name; none: it is not the name of a segment.
fn first_by_name(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.get(..DIGITS)?;
    digits.parse().ok().filter(|first| *first <= u64::MAX / 2)
}

/// A segment with a damaged header is recognised by its name and its records: records of another format have another
/// marker.
fn examine(path: &Path) -> Option<Segment> {
    let mut octets = [0; HEADER as usize];
    let read = File::open(path).ok()?.read_exact(&mut octets);
    let stored = octets.get(SEQUENCE_OFFSET..)?.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    let is_right = read.is_ok() && octets.as_slice() == header(stored);
    let first = if is_right { stored } else { first_by_name(path)? };
    let (mut reader, mut records) = (Reader::open(path, HEADER).ok()?, 0);
    while let Some(entry) = reader.next(u32::MAX) {
        records = records.max(u64::from(entry.index) + 1);
    }
    if !is_right && records > 0 {
        tracing::warn!("the header of {} is damaged; its records are read", path.display());
    }
    let octets = path.metadata().ok()?.len();
    (is_right || records > 0).then(|| Segment { path: path.into(), first, records, octets })
}
