//! The outcome of reading one record of any format.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::Interface;
use super::input::MAX_RECORD;

/// Why reading does not continue.
#[derive(Debug)]
pub(super) enum Fault {
    /// More bytes are needed.
    Incomplete,
    /// The compressed data ends early.
    CompressedCut,
    /// The data violates the format, and the start of the next record is unknown.
    Malformed(String),
    /// A version of the format that does not exist.
    Version(String),
    /// The file cannot be read.
    Read(io::Error),
    /// The file begins with an unknown magic number.
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

/// Why one block is skipped although the start of the next one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BadBlock {
    #[error("its length is {first} at its start and {last} at its end")]
    Lengths { first: u32, last: u32 },
    #[error("{0} bytes, more than the {MAX_RECORD} bytes that are read of one block")]
    TooLong(u32),
    #[error("shorter than its fields")]
    TooShort,
    #[error("the packet is longer than its block")]
    PacketBeyondBlock,
    #[error("a packet of interface {0}, which is not described")]
    UnknownInterface(u32),
    #[error("one interface more than the 65,536 that are kept")]
    TooManyInterfaces,
}

/// A frame as stored in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) time_ns: u64,
    pub(super) wire_octets: u32,
    pub(super) interface: u32,
    /// Link type as numbered in files.
    pub(super) link: u32,
    pub(super) data: &'a [u8],
}

/// The kind of record at the start of the data.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Frame(Record<'a>),
    /// A header, or a block without a packet.
    Other,
    Bad(BadBlock),
}

/// The record at the start of the data, and its length in bytes, which may be more than are buffered.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) used: u64,
    pub(super) found: Found<'a>,
}

/// Adds an interface and returns its number.
pub(super) fn register(interfaces: &mut Vec<Interface>, name: Arc<str>) -> u32 {
    let number = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
    interfaces.push(Interface::new(number, 0, &name));
    number
}
