//! The classic pcap format (draft-ietf-opsawg-pcap), its older versions, and the "modified" format of Linux 2.2, read
//! as libpcap does (sf-pcap.c).

use super::input::MAX_RECORD;
use super::order::Order;
use super::step::{Fault, Found, Record, Step};

/// The upper bits of the link type say whether frames have a CRC (section 4 of the draft).
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// The format that the magic number in the first four bytes stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PcapFormat {
    order: Order,
    /// Nanoseconds per unit of the fractional part of time stamps.
    fraction_ns: u64,
    /// Whether record headers have 24 bytes, with the interface's index, the protocol and the direction.
    is_modified: bool,
}

impl PcapFormat {
    pub(super) const fn of(magic: [u8; 4]) -> Option<Self> {
        let (order, fraction_ns, is_modified) = match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => (Order::Big, 1000, false),
            0xd4c3_b2a1 => (Order::Little, 1000, false),
            0xa1b2_3c4d => (Order::Big, 1, false),
            0x4d3c_b2a1 => (Order::Little, 1, false),
            0xa1b2_cd34 => (Order::Big, 1000, true),
            0x34cd_b2a1 => (Order::Little, 1000, true),
            _ => return None,
        };
        Some(Self { order, fraction_ns, is_modified })
    }
}

/// Which of the two lengths of a record is the captured one. Writers disagreed until version 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// The smaller one is the captured one.
    Either,
}

impl Lengths {
    /// 543.0 was written by DG/UX.
    const fn of_version(major: u16, minor: u16) -> Option<Self> {
        match (major, minor) {
            (2, 0..=2) | (543, 0) => Some(Self::OriginalFirst),
            (2, 3) => Some(Self::Either),
            (2, 4) => Some(Self::CapturedFirst),
            _ => None,
        }
    }

    /// Returns the captured length and the original length.
    #[inline]
    const fn sort(self, first: u32, second: u32) -> (u32, u32) {
        match self {
            Self::OriginalFirst => (second, first),
            Self::Either if first > second => (second, first),
            Self::CapturedFirst | Self::Either => (first, second),
        }
    }
}

/// Reads records of one file.
pub(super) struct Pcap {
    kind: PcapFormat,
    lengths: Lengths,
    link: u32,
    interface: u32,
}

impl Pcap {
    /// Bytes of the file header.
    pub(super) const HEADER: usize = 24;

    /// Fields of the header: magic number, major and minor version (16 bits each), two reserved fields, greatest
    /// captured length, link type.
    pub(super) fn open(header: &[u8; Self::HEADER], kind: PcapFormat, interface: u32) -> Result<Self, Fault> {
        let [_, _, _, _, a, b, c, d, ..] = *header;
        let (major, minor) = (kind.order.u16([a, b]), kind.order.u16([c, d]));
        let lengths = Lengths::of_version(major, minor)
            .ok_or_else(|| Fault::Version(format!("pcap version {major}.{minor}; supported are 2.0 to 2.4")))?;
        let [.., link] = kind.order.numbers::<24, 6>(header);
        Ok(Self { kind, lengths, link: link & LINK_TYPE_BITS, interface })
    }

    /// Fields of a record: seconds, micro- or nanoseconds, two lengths, data.
    #[inline]
    pub(super) fn next<'a>(&self, data: &'a [u8]) -> Result<Step<'a>, Fault> {
        const FIELDS: usize = 16;
        const MODIFIED: usize = 24;
        let fields = data.first_chunk::<FIELDS>().ok_or(Fault::Incomplete)?;
        let [seconds, fraction, first, second] = self.kind.order.numbers(fields);
        let (captured, wire_octets) = self.lengths.sort(first, second);
        let start = if self.kind.is_modified { MODIFIED } else { FIELDS };
        let end = start + captured as usize;
        if captured as usize > MAX_RECORD {
            return Err(too_long(captured));
        }
        let record = Record {
            time_ns: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.kind.fraction_ns,
            wire_octets,
            interface: self.interface,
            link: self.link,
            data: data.get(start..end).ok_or(Fault::Incomplete)?,
        };
        Ok(Step { used: end as u64, found: Found::Frame(record) })
    }
}

/// No record can have this length: the file is damaged, and the start of the next record is unknown.
#[cold]
fn too_long(captured: u32) -> Fault {
    Fault::Malformed(format!("captured length {captured}"))
}
