//! The octets of a capture file, decompressed, in a buffer that always holds one record as a whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

/// Small enough to stay in the processor's cache, large enough that reading costs little.
const BUFFER: usize = 256 * 1024;
/// A record that is longer is taken for a damaged one. libpcap's limit is 256 KiB per packet; blocks with
/// secrets or comments are longer.
pub(super) const MOST_RECORD: usize = 64 * 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of the start of `buffer`, in the decompressed data.
    base: u64,
    octets_read: Arc<AtomicU64>,
}

impl Input {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Self::new(io::stdin());
        }
        Self::new(File::open(path)?)
    }

    /// Decompresses where the first octets say so.
    pub(super) fn new(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let octets_read = Arc::new(AtomicU64::new(0));
        let mut reader = Counting { reader, octets_read: Arc::clone(&octets_read) };
        let mut magic = Vec::with_capacity(ZSTD.len());
        reader.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic)?;
        let is_gzip = magic.starts_with(&GZIP);
        let is_zstd = magic == ZSTD;
        let whole = io::Cursor::new(magic).chain(reader);
        let reader: Box<dyn Read + Send> = if is_gzip {
            Box::new(MultiGzDecoder::new(BufReader::new(whole)))
        } else if is_zstd {
            Box::new(zstd::Decoder::new(whole)?)
        } else {
            Box::new(whole)
        };
        Ok(Self { reader, buffer: vec![0; BUFFER], start: 0, end: 0, base: 0, octets_read })
    }

    /// What is there behind the records that were consumed.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
    }

    /// Reads on. False: there is nothing more.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.buffer.len() >= MOST_RECORD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of more than 64 MiB"));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let octets = read_some(&mut *self.reader, free)?;
        self.end += octets;
        Ok(octets > 0)
    }

    /// Where [`Input::data`] begins, octets from the start of the decompressed data.
    pub(super) const fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Octets read from the file itself.
    pub(super) fn octets_read(&self) -> u64 {
        self.octets_read.load(Ordering::Relaxed)
    }
}

/// A file that ends within its compressed data ends like any other: the record parser says where.
fn read_some(reader: &mut dyn Read, free: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(free) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

struct Counting<R> {
    reader: R,
    octets_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = self.reader.read(buffer)?;
        self.octets_read.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
}
