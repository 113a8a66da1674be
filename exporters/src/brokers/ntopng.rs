//! ntopng's framing of ZeroMQ messages: a header frame before the frame of JSON.

use crate::config::{ZmqConfig, ZmqHeader};

/// The version of messages whose number is big-endian (`ZMQ_MSG_VERSION` in ntopng's `include/ntop_defines.h`).
const VERSION: u8 = 2;
/// Begins with the topic that subscribers of flows subscribe to.
const TOPIC: [u8; 16] = *b"flow\0\0\0\0\0\0\0\0\0\0\0\0";
/// Maximum message size: the header's length field has 16 bits.
pub(super) const MAX_MESSAGE: usize = u16::MAX as usize;

/// Makes headers.
pub(super) struct Framing {
    header: ZmqHeader,
    source_id: u32,
    message: u32,
}

impl Framing {
    pub(super) const fn new(config: &ZmqConfig) -> Self {
        Self { header: config.header, source_id: config.source_id, message: 0 }
    }

    /// The header of the next message, which has `octets` bytes. The layout is that of the C struct on this machine:
    /// the message's number is in network byte order, everything else in the machine's.
    pub(super) fn header(&mut self, octets: usize) -> Vec<u8> {
        self.message = self.message.wrapping_add(1);
        let [low, ..] = self.source_id.to_le_bytes();
        let size = u16::try_from(octets).unwrap_or(u16::MAX).to_ne_bytes();
        let mut header = Vec::with_capacity(28);
        header.extend_from_slice(&TOPIC);
        header.push(VERSION);
        header.push(if self.header == ZmqHeader::V1 { low } else { 0 });
        header.extend_from_slice(&size);
        header.extend_from_slice(&self.message.to_be_bytes());
        if self.header == ZmqHeader::V2 {
            header.extend_from_slice(&self.source_id.to_ne_bytes());
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(header: ZmqHeader, source_id: u32) -> Framing {
        Framing::new(&ZmqConfig { header, source_id, ..ZmqConfig::new("tcp://*:5556").unwrap() })
    }

    #[test]
    fn headers_are_laid_out_as_ntopngs_structs() {
        let mut v1 = framing(ZmqHeader::V1, 7);
        v1.header(1);
        let header = v1.header(0x0102);
        assert_eq!((header.len(), &header[..5], header[16], header[17]), (24, b"flow\0".as_slice(), 2, 7));
        assert_eq!(header[18..20], 0x0102_u16.to_ne_bytes());
        assert_eq!(header[20..24], [0, 0, 0, 2]);
        let header = framing(ZmqHeader::V2, 70_000).header(1);
        assert_eq!((header.len(), header[17]), (28, 0));
        assert_eq!(header[24..28], 70_000_u32.to_ne_bytes());
    }
}
