//! Reads a segment's records in order, and skips damage.

use std::fs::File;
use std::io::{self, Read as _, Seek, SeekFrom};
use std::path::Path;

use pidflow_schema::FlowRecord;

use super::record::{self, Header};

/// Number of bytes read at once.
const READ_CHUNK: usize = 256 << 10;
/// Maximum number of bytes searched for the next record after damage.
const MAX_SEARCHED: usize = 64 << 20;

/// A record's header with its position in the segment, and the decoded record.
pub(super) struct Entry {
    /// Index among the records of the segment, from 0.
    pub(super) index: u32,
    /// Offset in the file.
    pub(super) position: u64,
    /// None: the checksum is wrong, or decoding was not requested.
    pub(super) record: Option<FlowRecord>,
}

/// What is at the reader's position.
enum AtPlace {
    /// A header with a complete record, and whether the record's checksum is correct.
    Record(Header, bool),
    /// No header, or one with an incomplete record, although there is more to read.
    Damaged,
    /// The end of the segment.
    End,
}

/// An open segment.
pub(super) struct Reader {
    file: File,
    /// Bytes read; those from `at` on have not been used yet.
    buffer: Vec<u8>,
    at: usize,
    /// Offset of the next record in the file.
    position: u64,
}

impl Reader {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, buffer: Vec::new(), at: 0, position: offset })
    }

    /// Offset of the next record, or of the damage before it.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The next record, decoded if its index is `decode_from` or higher; none: there is no further record.
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

    /// What is at the position. Reads more bytes while those read so far may be too few.
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

    /// Skips a record with a wrong checksum by its length, if that leads to a header or to the end; otherwise bytes may
    /// be missing in the middle of it.
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

    /// Moves to the next header after the damage; false: there is none.
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

    /// Reads more bytes. Returns their number: 0 at the end, or if the file cannot be read.
    fn fill(&mut self, octets: usize) -> usize {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        let _ = (&mut self.file).take(octets as u64).read_to_end(&mut self.buffer);
        self.buffer.len() - before
    }
}
