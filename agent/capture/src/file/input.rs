//! The bytes of a capture file, decompressed, in a buffer that always holds one record as a whole.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::interrupt::Interrupt;
use super::source::Source;

/// Initial buffer size, bytes: fits the processor's cache, and keeps the number of system calls low.
const BUFFER: usize = 256 * 1024;
/// The longest record that is read, bytes. libpcap's limit is 256 KiB per packet; blocks with secrets or comments are
/// longer.
pub(super) const MAX_RECORD: usize = 64 * 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Result of an attempt to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// There is more in the buffer than before.
    More,
    /// Nothing has arrived, or the wait was interrupted.
    Nothing,
    /// The file is at its end.
    End,
}

pub(super) struct Input {
    source: Source,
    reader: Box<dyn Read + Send>,
    interrupt: Option<Interrupt>,
    is_recognized: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many of the next bytes belong to a record that was consumed.
    skip: u64,
    /// Offset of the start of `buffer` in the decompressed data, bytes.
    base: u64,
}

impl Input {
    pub(super) fn new(source: Source, interrupt: Option<Interrupt>) -> Self {
        Self {
            reader: Box::new(source.clone()),
            source,
            interrupt,
            is_recognized: false,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            skip: 0,
            base: 0,
        }
    }

    /// The buffered data that was not consumed yet.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Skips this many bytes. They need not be in the buffer yet.
    #[inline]
    pub(super) fn consume(&mut self, bytes: u64) {
        let here = (self.end - self.start) as u64;
        self.start += bytes.min(here) as usize;
        self.skip += bytes.saturating_sub(here);
    }

    /// Whether all buffered data has been consumed and nothing is left to skip.
    pub(super) fn is_between_records(&self) -> bool {
        self.data().is_empty() && self.skip == 0
    }

    /// Reads more data into the buffer. If none is available, it waits for some when `may_wait` is set.
    pub(super) fn fill(&mut self, may_wait: bool) -> io::Result<Filled> {
        self.make_room()?;
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) if self.recognize()? => {}
                Ok(0) => return Ok(Filled::End),
                Ok(bytes) => {
                    self.end += bytes;
                    self.pass_over();
                    if self.is_ready()? {
                        return Ok(Filled::More);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if !may_wait || !self.wait()? {
                        return Ok(Filled::Nothing);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn wait(&self) -> io::Result<bool> {
        match self.source.wait(self.interrupt.as_ref()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
            other => other,
        }
    }

    fn make_room(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.buffer.len() > MAX_RECORD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of more than 64 MiB"));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        Ok(())
    }

    /// Drops buffered bytes that belong to a consumed record.
    fn pass_over(&mut self) {
        let here = self.skip.min((self.end - self.start) as u64);
        self.start += here as usize;
        self.skip -= here;
        if self.start == self.end {
            self.base += self.start as u64;
            (self.start, self.end) = (0, 0);
        }
    }

    /// Whether the buffer has decompressed data to parse.
    fn is_ready(&mut self) -> io::Result<bool> {
        if self.is_recognized {
            return Ok(self.skip == 0 && self.end > self.start);
        }
        Ok(self.end >= ZSTD.len() && !self.recognize()?)
    }

    /// Checks once whether the first bytes are of compressed data. True: they are, and must be read again through the
    /// decompressor.
    fn recognize(&mut self) -> io::Result<bool> {
        if std::mem::replace(&mut self.is_recognized, true) {
            return Ok(false);
        }
        let is_gzip = self.data().starts_with(&GZIP);
        if !is_gzip && !self.data().starts_with(&ZSTD) {
            return Ok(false);
        }
        let whole = Cursor::new(self.data().to_vec()).chain(self.source.clone());
        self.end = self.start;
        self.reader = if is_gzip {
            Box::new(MultiGzDecoder::new(BufReader::new(whole)))
        } else {
            Box::new(zstd::Decoder::new(whole)?)
        };
        Ok(true)
    }

    /// Where [`Input::data`] begins, bytes from the start of the decompressed data.
    pub(super) const fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Bytes read from the file itself.
    pub(super) fn bytes_read(&self) -> u64 {
        self.source.bytes_read()
    }
}
