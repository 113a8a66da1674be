//! ntopng's framing of ZeroMQ messages: a header frame before the frame of JSON.

use pidflow_schema::{NtopHeader, NtopHeaderForm};

use crate::config::{ZmqConfig, ZmqHeader};

/// Maximum message size: the header's length field has 16 bits.
pub(super) const MAX_MESSAGE: usize = u16::MAX as usize;

/// Makes headers.
pub(super) struct Framing {
    form: NtopHeaderForm,
    source_id: u32,
    message: u32,
}

impl Framing {
    pub(super) const fn new(config: &ZmqConfig) -> Self {
        let form = match config.header {
            ZmqHeader::V1 => NtopHeaderForm::V1,
            ZmqHeader::V2 => NtopHeaderForm::V2,
        };
        Self { form, source_id: config.source_id, message: 0 }
    }

    /// The header of the next message, which has `octets` bytes.
    pub(super) fn header(&mut self, octets: usize) -> Vec<u8> {
        self.message = self.message.wrapping_add(1);
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        NtopHeader::of_flows(self.message, self.source_id, octets).write(self.form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_count_messages_in_the_configured_form() {
        let config = ZmqConfig { header: ZmqHeader::V2, source_id: 70_000, ..ZmqConfig::new("tcp://*:5556").unwrap() };
        let mut framing = Framing::new(&config);
        framing.header(1);
        let header = framing.header(0x0102);
        let read = NtopHeader::read(&header).unwrap();
        assert_eq!((header.len(), read.topic, read.number), (28, b"flow".as_slice(), Some(2)));
        assert_eq!((read.source, read.octets), (70_000, 0x0102));
    }
}
