//! The classic format (draft-ietf-opsawg-pcap).

use std::sync::Arc;

use pcap_file::TsResolution;
use pcap_file::pcap::PcapParser;

use super::Interface;
use super::input::MOST_RECORD;
use super::records::{Fault, Record, Step, register};

/// The upper bits of the link type say whether frames have a CRC (section 4 of the draft).
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// Reads records of one file.
pub(super) struct Pcap {
    parser: PcapParser,
    link: u32,
    fraction_ns: u64,
    interface: u32,
}

impl Pcap {
    /// Micro- or nanoseconds, in either byte order.
    pub(super) const fn is_magic(magic: [u8; 4]) -> bool {
        matches!(
            magic,
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1]
        )
    }

    pub(super) fn open(data: &[u8], name: Arc<str>, interfaces: &mut Vec<Interface>) -> Result<(usize, Self), Fault> {
        let (rest, parser) = PcapParser::new(data)?;
        let header = parser.header();
        let fraction_ns = if header.ts_resolution == TsResolution::NanoSecond { 1 } else { 1000 };
        let link = u32::from(header.datalink) & LINK_TYPE_BITS;
        Ok((data.len() - rest.len(), Self { parser, link, fraction_ns, interface: register(interfaces, name) }))
    }

    #[inline]
    pub(super) fn next<'a>(&self, data: &'a [u8]) -> Result<Step<'a>, Fault> {
        const HEADER: usize = 16;
        let (rest, packet) = match self.parser.next_raw_packet(data) {
            Ok(step) => step,
            Err(error) => return Err(self.fault(data, error.into())),
        };
        let used = data.len() - rest.len();
        let record = Record {
            time_ns: u64::from(packet.ts_sec) * 1_000_000_000 + u64::from(packet.ts_frac) * self.fraction_ns,
            wire_octets: packet.orig_len,
            interface: self.interface,
            link: self.link,
            data: data.get(HEADER..used).unwrap_or_default(),
        };
        Ok((used, Some(record)))
    }

    /// A length that no record can have is damage, not a file that is too short.
    #[cold]
    fn fault(&self, data: &[u8], fault: Fault) -> Fault {
        let Some(length) = data.get(8..12).and_then(|length| length.try_into().ok()) else { return fault };
        let length = match self.parser.header().endianness {
            pcap_file::Endianness::Big => u32::from_be_bytes(length),
            pcap_file::Endianness::Little => u32::from_le_bytes(length),
        };
        if length as usize > MOST_RECORD { Fault::Malformed(format!("captured length {length}")) } else { fault }
    }
}
