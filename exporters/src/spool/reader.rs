//! Reads a segment's records one after the other, past what is damaged.

use std::fs::File;
use std::io::{self, Read as _, Seek, SeekFrom};
use std::path::Path;

use pidflow_schema::FlowRecord;

use super::record::{self, Header};

/// Bytes read at once.
const READ_CHUNK: usize = 256 << 10;
/// Bytes of a segment that are read to find the next record behind damage.
const MAX_SEARCHED: usize = 64 << 20;

/// A record's header, whose place in the segment is known, and the outcome of the record.
pub(super) struct Entry {
    /// Place among the records of the segment, from 0.
    pub(super) index: u32,
    /// Where it begins in the file.
    pub(super) position: u64,
    /// None: its checksum is wrong, or it was not to be decoded.
    pub(super) record: Option<FlowRecord>,
}

/// What is at the reader's position.
enum AtPlace {
    /// A header whose record is all there; whether that one's checksum is right.
    Record(Header, bool),
    /// No header, or one whose record is not all there, although there is more to read.
    Damaged,
    /// Nothing more.
    End,
}

/// An open segment.
pub(super) struct Reader {
    file: File,
    /// Read and not yet taken, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Of the next record in the file.
    position: u64,
}

impl Reader {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, buffer: Vec::new(), at: 0, position: offset })
    }

    /// Where the next record begins, or the damage before it.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The next record, decoded if its index is `decode_from` or higher; none: no further one is found.
    pub(super) fn next(&mut self, decode_from: u32) -> Option<Entry> {
        loop {
            match self.place() {
                AtPlace::Record(header, true) => return Some(self.take(&header, header.index >= decode_from)),
                AtPlace::Record(header, false) => {
                    if let Some(entry) = self.pass_damaged(&header) {
                        return Some(entry);
                    }
                }
                AtPlace::Damaged => {}
                AtPlace::End => return None,
            }
            if !self.search() {
                return None;
            }
        }
    }

    /// What is next, reading on for as long as the bytes at hand may be too few.
    fn place(&mut self) -> AtPlace {
        loop {
            let header = Header::read(self.rest());
            let needed = header.map_or(record::HEADER, |h| h.octets());
            match header {
                Some(h) if self.rest().len() >= needed => return AtPlace::Record(h, h.body(self.rest()).is_some()),
                None if self.rest().len() >= needed => return AtPlace::Damaged,
                _ => {}
            }
            if self.fill(READ_CHUNK) == 0 {
                return if self.rest().is_empty() { AtPlace::End } else { AtPlace::Damaged };
            }
        }
    }

    fn take(&mut self, header: &Header, decode: bool) -> Entry {
        let position = self.position;
        let record = if decode { header.body(self.rest()).and_then(record::decode) } else { None };
        self.skip(header.octets());
        Entry { index: header.index, position, record }
    }

    /// Passes a record whose checksum is wrong by its length, where that leads to a header or to the end: bytes may be
    /// missing in the middle of it.
    fn pass_damaged(&mut self, header: &Header) -> Option<Entry> {
        while self.rest().len() < header.octets() + record::HEADER {
            if self.fill(READ_CHUNK) == 0 {
                break;
            }
        }
        let behind = self.rest().get(header.octets()..).unwrap_or_default();
        let leads_on = behind.is_empty() || Header::read(behind).is_some();
        leads_on.then(|| Entry { record: None, ..self.take(header, false) })
    }

    /// Goes to the next header behind the damage; false: there is none.
    fn search(&mut self) -> bool {
        while self.buffer.len() < MAX_SEARCHED && self.fill(READ_CHUNK) > 0 {}
        let rest = self.rest();
        let is_whole = |at: usize| {
            let octets = rest.get(at..).unwrap_or_default();
            Header::read(octets).is_some_and(|h| h.octets() <= octets.len())
        };
        let mut candidates =
            std::iter::successors(record::find_marker(rest, 1), |at| record::find_marker(rest, at + 1));
        match candidates.find(|at| is_whole(*at)) {
            Some(at) => {
                self.skip(at);
                true
            }
            None => false,
        }
    }

    fn skip(&mut self, octets: usize) {
        self.at += octets;
        self.position += octets as u64;
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Reads on. Returns the number of bytes read: 0 at the end, or where the file cannot be read.
    fn fill(&mut self, octets: usize) -> usize {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        let _ = (&mut self.file).take(octets as u64).read_to_end(&mut self.buffer);
        self.buffer.len() - before
    }
}
