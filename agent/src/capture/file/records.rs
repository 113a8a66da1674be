//! The records of a capture file, whichever its format.

use std::io;
use std::sync::Arc;

use pcap_file::PcapError;

use super::Interface;
use super::input::Input;
use super::pcap::Pcap;
use super::pcapng::PcapNg;

/// Why there is no record.
#[derive(Debug)]
pub(super) enum Fault {
    /// More octets are needed.
    Incomplete,
    /// It contradicts the format.
    Malformed(String),
    /// The file cannot be read.
    Read(io::Error),
    /// The file begins with something else, given in hexadecimal.
    Magic(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A decompressor that misses its end.
            io::ErrorKind::UnexpectedEof => Self::Incomplete,
            _ => Self::Read(error),
        }
    }
}

impl From<PcapError> for Fault {
    fn from(error: PcapError) -> Self {
        match error {
            PcapError::IncompleteBuffer => Self::Incomplete,
            PcapError::IoError(e) => e.into(),
            PcapError::InvalidField(what) => Self::Malformed(what.to_owned()),
            other => Self::Malformed(other.to_string()),
        }
    }
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

/// How many octets the record takes, and the frame if it is one.
pub(super) type Step<'a> = (usize, Option<Record<'a>>);

/// A reader of one format.
pub(super) enum Records {
    Pcap(Pcap),
    PcapNg(PcapNg),
    /// Nothing was recognised.
    Empty,
}

impl Records {
    /// Recognises the format by its first octets.
    pub(super) fn open(input: &mut Input, name: Arc<str>, interfaces: &mut Vec<Interface>) -> Result<Self, Fault> {
        const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
        const SECTION_HEADER_LEAST: usize = 28;
        while input.data().len() < SECTION_HEADER_LEAST && input.fill()? {}
        let magic: [u8; 4] = input.data().first_chunk().copied().unwrap_or_default();
        let (used, records) = match magic {
            PCAPNG => Self::open_pcapng(input, name)?,
            _ if Pcap::is_magic(magic) => {
                let (used, pcap) = Pcap::open(input.data(), name, interfaces)?;
                (used, Self::Pcap(pcap))
            }
            _ => return Err(Fault::Magic(magic.iter().map(|octet| format!("{octet:02x}")).collect())),
        };
        input.consume(used);
        Ok(records)
    }

    /// A section header may have long options.
    fn open_pcapng(input: &mut Input, name: Arc<str>) -> Result<(usize, Self), Fault> {
        loop {
            match PcapNg::open(input.data(), &name) {
                Err(Fault::Incomplete) if input.fill()? => {}
                other => return other.map(|(used, pcapng)| (used, Self::PcapNg(pcapng))),
            }
        }
    }

    /// The next record at the start of `data`.
    #[inline]
    pub(super) fn next<'a>(&mut self, data: &'a [u8], interfaces: &mut Vec<Interface>) -> Result<Step<'a>, Fault> {
        match self {
            Self::Pcap(pcap) => pcap.next(data),
            Self::PcapNg(pcapng) => pcapng.next(data, interfaces),
            Self::Empty => Err(Fault::Incomplete),
        }
    }
}

/// Enters an interface and gives its number.
pub(super) fn register(interfaces: &mut Vec<Interface>, name: Arc<str>) -> u32 {
    let number = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
    interfaces.push(Interface { number, index: 0, name });
    number
}
