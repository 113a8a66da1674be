//! The records of a capture file of either format.

use std::sync::Arc;

use super::Interface;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::step::{Fault, Found, Step, register};

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

    /// The next record at the start of `data`. Interfaces without a name get `name`.
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
