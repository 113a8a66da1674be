//! pcapng (draft-ietf-opsawg-pcapng): blocks that each state their length at both ends. Only packets and what they need
//! of their interfaces are read; other blocks and options are not validated.

mod interface;
mod resolution;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Interface;
use super::input::MAX_RECORD;
use super::order::Order;
use super::step::{BadBlock, Fault, Found, Record, Step, register};
use interface::{Described, NgInterface};

/// Block types, section 11.1.
mod kind {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const ENHANCED_PACKET: u32 = 6;

    pub(super) const fn is_needed(kind: u32) -> bool {
        matches!(kind, SECTION_HEADER | INTERFACE_DESCRIPTION | PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
    }
}

/// Type and length in front of the body, and the length again behind it.
const HEADER: usize = 8;
const TRAILER: usize = 4;
/// A section header without options.
const SECTION_HEADER: usize = 28;
/// The greatest number of interfaces that are kept, over all files of a run.
const MAX_INTERFACES: usize = 65_536;

/// Reads blocks of one file.
pub(super) struct PcapNg {
    /// Byte order of the section that is being read; none before the first one.
    order: Option<Order>,
    /// Interfaces of the section that is being read; none: its description block was malformed.
    interfaces: Vec<Option<NgInterface>>,
    /// Time of the last packet, which simple packet blocks get, because they have none.
    last_ns: u64,
    file: Arc<str>,
}

/// A complete block without its lengths.
struct Block<'a> {
    kind: u32,
    order: Order,
    body: &'a [u8],
}

impl PcapNg {
    /// The type of the section header, the same in either byte order.
    pub(super) const MAGIC: [u8; 4] = kind::SECTION_HEADER.to_be_bytes();

    pub(super) fn new(file: &Arc<str>) -> Self {
        Self { order: None, interfaces: Vec::new(), last_ns: 0, file: Arc::clone(file) }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.order.is_some()
    }

    pub(super) fn next<'a>(&mut self, data: &'a [u8], interfaces: &mut Vec<Interface>) -> Result<Step<'a>, Fault> {
        let order = self.order_of(data)?;
        let header = data.first_chunk::<HEADER>().ok_or(Fault::Incomplete)?;
        let [kind, length] = order.numbers(header);
        let least = if kind == kind::SECTION_HEADER { SECTION_HEADER } else { HEADER + TRAILER };
        if (length as usize) < least || !length.is_multiple_of(4) {
            return Err(Fault::Malformed(format!("block length {length}")));
        }
        if length as usize > MAX_RECORD && !kind::is_needed(kind) {
            return Ok(Step { used: length.into(), found: Found::Other });
        }
        let bad = match block(data, (kind, length), order)? {
            Ok(block) => match self.take(&block, interfaces) {
                Ok(found) => return Ok(Step { used: length.into(), found }),
                Err(bad) => bad,
            },
            Err(bad) => bad,
        };
        self.pass_over(kind, order);
        Ok(Step { used: length.into(), found: Found::Bad(bad) })
    }

    /// The byte order of the next block. A section header states its own (section 4.1).
    fn order_of(&self, data: &[u8]) -> Result<Order, Fault> {
        match (data.starts_with(&Self::MAGIC), self.order) {
            (false, Some(order)) => Ok(order),
            _ => section_order(data),
        }
    }

    fn take<'a>(&mut self, block: &Block<'a>, interfaces: &mut Vec<Interface>) -> Result<Found<'a>, BadBlock> {
        match block.kind {
            kind::SECTION_HEADER => self.begin_section(block.order),
            kind::INTERFACE_DESCRIPTION => self.describe(block, interfaces)?,
            kind::ENHANCED_PACKET | kind::PACKET => return self.packet(block).map(Found::Frame),
            kind::SIMPLE_PACKET => return self.simple_packet(block).map(Found::Frame),
            _ => {}
        }
        Ok(Found::Other)
    }

    /// Only the bad block is lost: a section still begins, and later interfaces keep their numbers.
    fn pass_over(&mut self, kind: u32, order: Order) {
        match kind {
            kind::SECTION_HEADER => self.begin_section(order),
            kind::INTERFACE_DESCRIPTION if self.interfaces.len() < MAX_INTERFACES => self.interfaces.push(None),
            _ => {}
        }
    }

    fn begin_section(&mut self, order: Order) {
        self.order = Some(order);
        self.interfaces.clear();
    }

    fn describe(&mut self, block: &Block<'_>, interfaces: &mut Vec<Interface>) -> Result<(), BadBlock> {
        let described = Described::parse(block.body, block.order)?;
        if interfaces.len().max(self.interfaces.len()) >= MAX_INTERFACES {
            return Err(BadBlock::TooManyInterfaces);
        }
        let name = described.name.unwrap_or_else(|| Arc::clone(&self.file));
        let number = register(interfaces, name);
        self.interfaces.push(Some(described.interface.numbered(number)));
        Ok(())
    }

    /// Sections 4.3 and A.1: interface, time, captured length, original length, data. The obsolete packet block has
    /// a 16-bit interface and a count of drops in the first number.
    fn packet<'a>(&mut self, block: &Block<'a>) -> Result<Record<'a>, BadBlock> {
        let (fields, data) = block.body.split_first_chunk::<20>().ok_or(BadBlock::TooShort)?;
        let [interface, high, low, captured, wire_octets] = block.order.numbers(fields);
        let interface = match (block.kind, block.order) {
            (kind::PACKET, Order::Big) => interface >> 16,
            (kind::PACKET, Order::Little) => interface & 0xffff,
            _ => interface,
        };
        let described = self.interface(interface)?;
        let data = data.get(..captured as usize).ok_or(BadBlock::PacketBeyondBlock)?;
        self.last_ns = described.time_ns(u64::from(high) << 32 | u64::from(low));
        Ok(self.record(described, wire_octets, data))
    }

    /// Section 4.4: original length, data. The packet belongs to the first interface.
    fn simple_packet<'a>(&self, block: &Block<'a>) -> Result<Record<'a>, BadBlock> {
        let (fields, data) = block.body.split_first_chunk::<4>().ok_or(BadBlock::TooShort)?;
        let [wire_octets] = block.order.numbers(fields);
        let described = self.interface(0)?;
        let captured = wire_octets.min(described.snap_length) as usize;
        Ok(self.record(described, wire_octets, data.get(..captured).ok_or(BadBlock::PacketBeyondBlock)?))
    }

    const fn record<'a>(&self, interface: NgInterface, wire_octets: u32, data: &'a [u8]) -> Record<'a> {
        Record { time_ns: self.last_ns, wire_octets, interface: interface.number, link: interface.link, data }
    }

    fn interface(&self, id: u32) -> Result<NgInterface, BadBlock> {
        self.interfaces.get(id as usize).copied().flatten().ok_or(BadBlock::UnknownInterface(id))
    }
}

/// Type, length, byte-order magic, version (16 bits twice). Version 1.2, which some programs wrote, is read as 1.0, as
/// libpcap does.
#[cold]
fn section_order(data: &[u8]) -> Result<Order, Fault> {
    const FIELDS: usize = 16;
    let [_, _, _, _, _, _, _, _, magic @ .., a, b, c, d] = *data.first_chunk::<FIELDS>().ok_or(Fault::Incomplete)?;
    let order = match u32::from_be_bytes(magic) {
        0x1a2b_3c4d => Order::Big,
        0x4d3c_2b1a => Order::Little,
        other => return Err(Fault::Malformed(format!("byte-order magic {other:#010x}"))),
    };
    match (order.u16([a, b]), order.u16([c, d])) {
        (1, 0 | 2) => Ok(order),
        (major, minor) => Err(Fault::Version(format!("pcapng version {major}.{minor}; supported is 1.0"))),
    }
}

/// The block at the start of the data, or why it has to be skipped although its end is known.
fn block(data: &[u8], (kind, length): (u32, u32), order: Order) -> Result<Result<Block<'_>, BadBlock>, Fault> {
    let length_bytes = length as usize;
    if length_bytes > MAX_RECORD {
        return Ok(Err(BadBlock::TooLong(length)));
    }
    let whole = data.get(..length_bytes).ok_or(Fault::Incomplete)?;
    let (body, last) = whole.split_last_chunk::<TRAILER>().unwrap_or((whole, &[0; TRAILER]));
    let last = order.u32(*last);
    if last != length {
        return Ok(Err(BadBlock::Lengths { first: length, last }));
    }
    Ok(Ok(Block { kind, order, body: body.get(HEADER..).unwrap_or_default() }))
}
