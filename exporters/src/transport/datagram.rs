//! One message per UDP datagram, to one collector.

use pidflow_schema::FlowRecord;

use super::datagram_link::DatagramLink;
use crate::sink::{Sink, Undelivered};

use super::Encoder;

/// Sends to one collector.
pub(crate) struct DatagramSink {
    encoder: Encoder,
    link: DatagramLink,
}

impl DatagramSink {
    pub(super) const fn new(encoder: Encoder, link: DatagramLink) -> Self {
        Self { encoder, link }
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64) {
        let counters = self.link.counters().clone();
        self.announce_if_new();
        if let Some(octets) = self.link.path_payload() {
            self.encoder.fit(octets);
        }
        let link = &mut self.link;
        self.encoder.encode(records, now_ns, &counters, &mut |message| link.send(message));
        self.encoder.count(&counters);
        self.announce_if_new();
    }

    /// The next receiver at this address knows no template.
    fn announce_if_new(&mut self) {
        if self.link.begins_anew() {
            self.encoder.announce_again();
        }
    }
}

impl Sink for DatagramSink {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        if self.link.connect() {
            self.send(records, now_ns);
        } else {
            self.link.unreachable(records.len());
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.link.check();
        self.announce_if_new();
    }
}
