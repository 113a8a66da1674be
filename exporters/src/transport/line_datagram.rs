//! One JSON line per datagram.

use pidflow_schema::FlowRecord;

use crate::json::JsonEncoder;
use crate::wire::Message;

use super::datagram_link::DatagramLink;
use crate::sink::{Sink, Undelivered};

/// Sends to one receiver; a record larger than a datagram is counted and lost.
pub(crate) struct LineDatagrams {
    encoder: JsonEncoder,
    line: Vec<u8>,
    link: DatagramLink,
}

impl LineDatagrams {
    pub(super) const fn new(encoder: JsonEncoder, link: DatagramLink) -> Self {
        Self { encoder, line: Vec::new(), link }
    }
}

impl Sink for LineDatagrams {
    fn export(&mut self, records: &[FlowRecord], _now_ns: u64) -> Result<(), Undelivered> {
        for record in records {
            if !self.link.connect() {
                self.link.unreachable(1);
                continue;
            }
            self.line.clear();
            self.encoder.encode(std::slice::from_ref(record), &mut self.line);
            self.link.send(Message { bytes: &self.line, records: 1 });
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.link.check();
        self.link.begins_anew();
    }
}
