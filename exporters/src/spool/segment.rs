//! Files of records.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use super::record;

const MAGIC: [u8; 8] = *b"pidflow\x1e";
/// To be raised when records look different: a segment of another format is not read.
pub(super) const FORMAT: u32 = 4;
/// Magic, format, and the sequence number of the first record.
const HEADER: u64 = 8 + 4 + 8;
const SUFFIX: &str = ".records";
/// Octets read at once.
const CHUNK: usize = 256 << 10;

/// What is known of a segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    path: Arc<Path>,
    /// Sequence number of its first record.
    pub(super) first: u64,
    /// Records that can be read.
    pub(super) records: u64,
    /// Octets, header included.
    pub(super) octets: u64,
}

/// What was read.
pub(super) struct Read {
    pub(super) records: Vec<FlowRecord>,
    /// Where they begin, when that was found.
    pub(super) from: Option<u64>,
    /// Where they end.
    pub(super) after: u64,
    /// Sequence number after the last record that the segment had then.
    pub(super) until: u64,
}

/// A new file for records from that number on. A segment of another version of pidflow may have the name that it would have,
/// and stays what it is.
fn create(folder: &Path, first: u64) -> io::Result<(Arc<Path>, File)> {
    // As many digits as the largest number has, so that names sort as numbers do.
    let name = |further: u64| match further {
        0 => format!("{first:020}{SUFFIX}"),
        n => format!("{first:020}-{n}{SUFFIX}"),
    };
    for further in 0.. {
        let path: Arc<Path> = folder.join(name(further)).into();
        match File::create_new(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (path, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Segment {
    /// A new one, empty.
    pub(super) fn create(folder: &Path, first: u64) -> io::Result<(Self, Writer)> {
        let (path, mut file) = create(folder, first)?;
        let header = [MAGIC.as_slice(), &FORMAT.to_le_bytes(), &first.to_le_bytes()].concat();
        file.write_all(&header).inspect_err(|_| _ = fs::remove_file(&path))?;
        let writer = Writer { file, octets: HEADER, buffer: Vec::new() };
        Ok((Self { path, first, records: 0, octets: HEADER }, writer))
    }

    /// Sequence number after its last record.
    pub(super) const fn end(&self) -> u64 {
        self.first + self.records
    }

    /// One that cannot be removed is removed, or found to be delivered, by the next run.
    pub(super) fn remove(&self) {
        if let Err(e) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {e}", self.path.display());
        }
    }

    /// At most `limit` records from that sequence number on, which is at `offset`, if that is known. A file that is gone is
    /// damage; one that cannot be opened for another reason may be later.
    pub(super) fn read(&self, from: u64, offset: Option<u64>, limit: usize) -> io::Result<Read> {
        let limit = limit.min(usize::try_from(self.end().saturating_sub(from)).unwrap_or(usize::MAX));
        let mut read = Read { records: Vec::with_capacity(limit), from: None, after: 0, until: self.end() };
        let mut reader = match Reader::open(&self.path, offset.unwrap_or(HEADER)) {
            Ok(reader) => reader,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(read),
            Err(e) => return Err(e),
        };
        let skip = if offset.is_some() { 0 } else { from - self.first };
        if (0..skip).any(|_| reader.skip().is_none()) {
            return Ok(read);
        }
        read.from = Some(reader.position);
        while read.records.len() < limit {
            let Some(record) = reader.take() else { break };
            read.records.push(record);
        }
        read.after = reader.position;
        Ok(read)
    }
}

/// Appends to a segment.
pub(super) struct Writer {
    file: File,
    octets: u64,
    buffer: Vec<u8>,
}

impl Writer {
    /// Octets of the segment.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Writes records until the segment has grown to `largest`. Returns how many are in it, which on an error are none:
    /// a torn write is cut off, and if that fails too, is found by its checksum.
    pub(super) fn append(&mut self, records: &[FlowRecord], largest: u64) -> (usize, io::Result<()>) {
        self.buffer.clear();
        let mut count = 0;
        for record in records {
            if self.octets + self.buffer.len() as u64 >= largest {
                break;
            }
            record::put(record, &mut self.buffer);
            count += 1;
        }
        match self.file.write_all(&self.buffer) {
            Ok(()) => {
                self.octets += self.buffer.len() as u64;
                (count, Ok(()))
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

/// Reads a segment's records one after the other.
struct Reader {
    file: File,
    /// Read and not yet taken, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Of the next record in the file.
    position: u64,
}

impl Reader {
    fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, buffer: Vec::new(), at: 0, position: offset })
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// What `read` makes of the octets, reading on for as long as they may be too few.
    fn with<T>(&mut self, read: fn(&[u8]) -> Option<(T, usize)>) -> Option<T> {
        loop {
            if let Some((value, length)) = read(self.rest()) {
                self.at += length;
                self.position += length as u64;
                return Some(value);
            }
            if self.fill()? == 0 {
                return None;
            }
        }
    }

    fn fill(&mut self) -> Option<usize> {
        self.buffer.drain(..self.at);
        self.at = 0;
        (&mut self.file).take(CHUNK as u64).read_to_end(&mut self.buffer).ok()
    }

    fn take(&mut self) -> Option<FlowRecord> {
        self.with(record::take)
    }

    fn skip(&mut self) -> Option<()> {
        self.with(|octets| Some(((), record::skip(octets)?)))
    }
}

/// The segments of a folder, oldest first. What is no segment of this format is said and left alone.
pub(super) fn scan(folder: &Path) -> io::Result<VecDeque<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| SUFFIX.get(1..).is_some_and(|s| e == s)) {
            match examine(&path) {
                Some(segment) => found.push(segment),
                None => {
                    tracing::warn!("{} is of another version of pidflow or damaged, it is not read", path.display())
                }
            }
        }
    }
    found.sort_by_key(|s| s.first);
    found.dedup_by(|later, earlier| later.first < earlier.end());
    Ok(found.into())
}

fn examine(path: &Path) -> Option<Segment> {
    let mut header = [0; HEADER as usize];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_first_chunk::<8>()?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    let first = u64::from_le_bytes(*rest.first_chunk()?);
    if *magic != MAGIC || u32::from_le_bytes(*format) != FORMAT || first > u64::MAX / 2 {
        return None;
    }
    let (mut reader, mut records) = (Reader::open(path, HEADER).ok()?, 0);
    while reader.skip().is_some() {
        records += 1;
    }
    Some(Segment { path: path.into(), first, records, octets: reader.position })
}
