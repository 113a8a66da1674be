//! pcapng (draft-ietf-opsawg-pcapng).

use std::sync::Arc;

use pcap_file::Endianness;
use pcap_file::pcapng::PcapNgParser;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK, SIMPLE_PACKET_BLOCK,
};

use super::Interface;
use super::records::{Fault, Record, Step, register};

/// Reads blocks of one file.
pub(super) struct PcapNg {
    parser: PcapNgParser,
    /// Of the section that is being read.
    interfaces: Vec<NgInterface>,
    /// Simple packet blocks have no time of their own.
    last_ns: u64,
    file: Arc<str>,
}

#[derive(Debug, Clone, Copy)]
struct NgInterface {
    link: u32,
    number: u32,
    snap_length: u32,
    resolution: Resolution,
    offset_s: i64,
}

/// Of time stamps, section 4.2 `if_tsresol`.
#[derive(Debug, Clone, Copy)]
enum Resolution {
    /// Ten to the power of minus this.
    Decimal(u8),
    /// Two to the power of minus this.
    Binary(u8),
}

impl Resolution {
    /// Nanoseconds of a number of units; what is out of range becomes the greatest number.
    fn nanoseconds(self, units: u64) -> u64 {
        const SECOND: u128 = 1_000_000_000;
        let wide = u128::from(units) * SECOND;
        let ns = match self {
            Self::Decimal(power) => 10_u128.checked_pow(power.into()).map_or(0, |per_second| wide / per_second),
            Self::Binary(power) => wide.checked_shr(power.into()).unwrap_or(0),
        };
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

impl NgInterface {
    fn new(block: &InterfaceDescriptionBlock<'_>, file: &Arc<str>, interfaces: &mut Vec<Interface>) -> Self {
        let mut this = Self {
            link: u32::from(block.linktype),
            number: 0,
            snap_length: if block.snaplen == 0 { u32::MAX } else { block.snaplen },
            resolution: Resolution::Decimal(6),
            offset_s: 0,
        };
        let mut name = Arc::clone(file);
        for option in &block.options {
            match option {
                InterfaceDescriptionOption::IfName(given) if !given.is_empty() => name = given.as_ref().into(),
                InterfaceDescriptionOption::IfTsResol(power) if power & 0x80 != 0 => {
                    this.resolution = Resolution::Binary(power & 0x7f);
                }
                InterfaceDescriptionOption::IfTsResol(power) => this.resolution = Resolution::Decimal(*power),
                InterfaceDescriptionOption::IfTsOffset(seconds) => this.offset_s = seconds.cast_signed(),
                _ => {}
            }
        }
        this.number = register(interfaces, name);
        this
    }

    fn time_ns(&self, units: u64) -> u64 {
        let ns = self.resolution.nanoseconds(units);
        let offset_ns = self.offset_s.saturating_mul(1_000_000_000);
        ns.saturating_add_signed(offset_ns)
    }
}

impl PcapNg {
    pub(super) fn open(data: &[u8], file: &Arc<str>) -> Result<(usize, Self), Fault> {
        let (rest, parser) = PcapNgParser::new(data)?;
        let this = Self { parser, interfaces: Vec::new(), last_ns: 0, file: Arc::clone(file) };
        Ok((data.len() - rest.len(), this))
    }

    pub(super) fn next<'a>(&mut self, data: &'a [u8], interfaces: &mut Vec<Interface>) -> Result<Step<'a>, Fault> {
        const HEADER: usize = 8;
        const TRAILER: usize = 4;
        let (rest, block) = self.parser.next_raw_block(data)?;
        let used = data.len() - rest.len();
        let kind = block.type_;
        let body = data.get(HEADER..used.saturating_sub(TRAILER)).unwrap_or_default();
        match kind {
            SECTION_HEADER_BLOCK => self.interfaces.clear(),
            INTERFACE_DESCRIPTION_BLOCK => {
                let new = self.parser.interfaces().last();
                self.interfaces.extend(new.map(|block| NgInterface::new(block, &self.file, interfaces)));
            }
            _ => {}
        }
        let record = match kind {
            ENHANCED_PACKET_BLOCK | PACKET_BLOCK => Some(self.packet(kind, body)?),
            SIMPLE_PACKET_BLOCK => Some(self.simple_packet(body)?),
            _ => None,
        };
        Ok((used, record))
    }

    /// Sections 4.3 and A.1: interface, time, captured length, original length, data. The obsolete packet block has
    /// a 16-bit interface and a count of drops in the first number.
    fn packet<'a>(&mut self, kind: u32, body: &'a [u8]) -> Result<Record<'a>, Fault> {
        let (fields, data) = body.split_first_chunk::<20>().ok_or_else(|| short("packet block"))?;
        let [interface, high, low, captured, wire_octets] = self.numbers(fields);
        let interface = match (kind, self.parser.section().endianness) {
            (PACKET_BLOCK, Endianness::Big) => interface >> 16,
            (PACKET_BLOCK, Endianness::Little) => interface & 0xffff,
            _ => interface,
        };
        let described = self.interface(interface)?;
        self.last_ns = described.time_ns(u64::from(high) << 32 | u64::from(low));
        let data = data.get(..captured as usize).ok_or_else(|| short("packet data"))?;
        Ok(self.record(described, wire_octets, data))
    }

    /// Section 4.4: original length, data; of the first interface.
    fn simple_packet<'a>(&self, body: &'a [u8]) -> Result<Record<'a>, Fault> {
        let (fields, data) = body.split_first_chunk::<4>().ok_or_else(|| short("simple packet block"))?;
        let [wire_octets] = self.numbers(fields);
        let described = self.interface(0)?;
        let captured = wire_octets.min(described.snap_length) as usize;
        Ok(self.record(described, wire_octets, data.get(..captured).ok_or_else(|| short("packet data"))?))
    }

    const fn record<'a>(&self, interface: NgInterface, wire_octets: u32, data: &'a [u8]) -> Record<'a> {
        Record { time_ns: self.last_ns, wire_octets, interface: interface.number, link: interface.link, data }
    }

    fn interface(&self, id: u32) -> Result<NgInterface, Fault> {
        let known = self.interfaces.get(id as usize);
        known.copied().ok_or_else(|| Fault::Malformed(format!("packet of interface {id}, which is not described")))
    }

    /// 32-bit numbers in the byte order of the section.
    fn numbers<const OCTETS: usize, const NUMBERS: usize>(&self, octets: &[u8; OCTETS]) -> [u32; NUMBERS] {
        let mut numbers = [0; NUMBERS];
        let (chunks, _) = octets.as_chunks::<4>();
        for (number, chunk) in numbers.iter_mut().zip(chunks) {
            *number = match self.parser.section().endianness {
                Endianness::Big => u32::from_be_bytes(*chunk),
                Endianness::Little => u32::from_le_bytes(*chunk),
            };
        }
        numbers
    }
}

#[cold]
fn short(what: &str) -> Fault {
    Fault::Malformed(format!("{what} longer than its block"))
}
