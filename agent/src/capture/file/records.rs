//! The records of a capture file, whichever its format.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::Interface;
use super::input::MAX_RECORD;
use super::pcap::Pcap;
use super::pcapng::PcapNg;

/// Why the file is not read on.
#[derive(Debug)]
pub(super) enum Fault {
    /// More bytes are needed.
    Incomplete,
    /// Compressed data that lacks its end.
    CompressedCut,
    /// It contradicts the format in a way that leaves unknown where the next record begins.
    Malformed(String),
    /// A version of the format that does not exist.
    Version(String),
    /// The file cannot be read.
    Read(io::Error),
    /// The file begins with something else.
    Magic([u8; 4]),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CompressedCut,
            _ => Self::Read(error),
        }
    }
}

/// Why one block is unusable, although the position of the next one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BadBlock {
    #[error("its length is {first} at its start and {last} at its end")]
    Lengths { first: u32, last: u32 },
    #[error("{0} bytes, the maximum is {MAX_RECORD}")]
    TooLong(u32),
    #[error("shorter than its fields")]
    TooShort,
    #[error("the packet is longer than its block")]
    PacketBeyondBlock,
    #[error("a packet of interface {0}, which is not described")]
    UnknownInterface(u32),
    #[error("more than the maximum of 65,536 interfaces")]
    TooManyInterfaces,
}

/// A frame as the file has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) time_ns: u64,
    pub(super) wire_octets: u32,
    pub(super) interface: u32,
    /// Link type as numbered in files.
    pub(super) link: u32,
    pub(super) data: &'a [u8],
}

/// What is at the start of the data.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Frame(Record<'a>),
    /// A header, or a block without a packet.
    Other,
    Bad(BadBlock),
}

/// What is at the start of the data, and its length in bytes, which may be more than is available yet.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) used: u64,
    pub(super) found: Found<'a>,
}

/// A reader of one format.
pub(super) enum RecordReader {
    Unrecognized,
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl RecordReader {
    /// Whether the header of the file was read.
    pub(super) const fn have_begun(&self) -> bool {
        match self {
            Self::Unrecognized => false,
            Self::Pcap(_) => true,
            Self::PcapNg(pcapng) => pcapng.has_begun(),
        }
    }

    /// The next record at the start of `data`, of a file that is named so where its interfaces have no names.
    #[inline]
    pub(super) fn next<'a>(
        &mut self,
        data: &'a [u8],
        name: &Arc<str>,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Step<'a>, Fault> {
        match self {
            Self::Pcap(pcap) => pcap.next(data),
            Self::PcapNg(pcapng) => pcapng.next(data, interfaces),
            Self::Unrecognized => self.recognize(data, name, interfaces),
        }
    }

    /// Recognizes the format by the first bytes.
    #[cold]
    fn recognize<'a>(
        &mut self,
        data: &'a [u8],
        name: &Arc<str>,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Step<'a>, Fault> {
        let magic = *data.first_chunk::<4>().ok_or(Fault::Incomplete)?;
        let used = if magic == PcapNg::MAGIC {
            // The header is a block like others.
            *self = Self::PcapNg(PcapNg::new(name));
            0
        } else if let Some(kind) = super::pcap::PcapFormat::of(magic) {
            let header = data.first_chunk().ok_or(Fault::Incomplete)?;
            let interface = register(interfaces, Arc::clone(name));
            *self = Self::Pcap(Pcap::open(header, kind, interface)?);
            Pcap::HEADER as u64
        } else {
            return Err(Fault::Magic(magic));
        };
        Ok(Step { used, found: Found::Other })
    }
}

/// Enters an interface and gives its number.
pub(super) fn register(interfaces: &mut Vec<Interface>, name: Arc<str>) -> u32 {
    let number = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
    interfaces.push(Interface { number, index: 0, name });
    number
}
