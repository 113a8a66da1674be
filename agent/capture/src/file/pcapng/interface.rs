//! The parts of an interface description block that packets need.

use std::sync::Arc;

use super::super::order::Order;
use super::super::step::BadBlock;
use super::resolution::Resolution;

/// The longest name that is kept, bytes. Names have 50 bytes on Windows and at most 15 on Linux.
const MAX_NAME: usize = 256;

/// What packets need of their interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct NgInterface {
    pub(super) link: u32,
    pub(super) number: u32,
    pub(super) snap_length: u32,
    resolution: Resolution,
    offset_s: i64,
}

impl NgInterface {
    pub(super) const fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// Nanoseconds since the epoch. A time out of range becomes the nearest time in range.
    pub(super) fn time_ns(&self, units: u64) -> u64 {
        let ns = i128::from(self.resolution.nanoseconds(units)) + i128::from(self.offset_s) * 1_000_000_000;
        u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
    }
}

/// A parsed interface description block.
pub(super) struct Described {
    /// Its `number` is not assigned yet.
    pub(super) interface: NgInterface,
    pub(super) name: Option<Arc<str>>,
}

impl Described {
    /// Section 4.2: link type (16 bits), reserved, greatest captured length (0: no limit), options.
    pub(super) fn parse(body: &[u8], order: Order) -> Result<Self, BadBlock> {
        let (fields, options) = body.split_first_chunk::<8>().ok_or(BadBlock::TooShort)?;
        let [link0, link1, _, _, snap @ ..] = *fields;
        let snap_length = match order.u32(snap) {
            0 => u32::MAX,
            length => length,
        };
        let interface = NgInterface {
            link: order.u16([link0, link1]).into(),
            number: 0,
            snap_length,
            resolution: Resolution::MICROSECONDS,
            offset_s: 0,
        };
        let mut this = Self { interface, name: None };
        Options { rest: options, order }.for_each(|(code, value)| this.set(code, value, order));
        Ok(this)
    }

    fn set(&mut self, code: u16, value: &[u8], order: Order) {
        const IF_NAME: u16 = 2;
        const IF_TSRESOL: u16 = 9;
        const IF_TSOFFSET: u16 = 14;
        match (code, value) {
            (IF_NAME, value) => self.name = name(value),
            (IF_TSRESOL, [resolution, ..]) => self.interface.resolution = Resolution::of_option(*resolution),
            (IF_TSOFFSET, value) => {
                if let Some(seconds) = value.first_chunk() {
                    self.interface.offset_s = order.i64(*seconds);
                }
            }
            _ => {}
        }
    }
}

/// The name up to a NUL, which some writers include. Bytes that are not UTF-8 are replaced.
fn name(value: &[u8]) -> Option<Arc<str>> {
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name.get(..MAX_NAME).unwrap_or(name));
    (!name.is_empty()).then(|| name.into())
}

/// Section 3.5: code, length (16 bits each), value, padding to four bytes. Code 0 ends the list, as does the end of the
/// block, and an option that is longer than what is left.
struct Options<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[c0, c1, l0, l1], rest) = self.rest.split_first_chunk()?;
        let (code, length) = (self.order.u16([c0, c1]), usize::from(self.order.u16([l0, l1])));
        let value = rest.get(..length).filter(|_| code != 0)?;
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}
