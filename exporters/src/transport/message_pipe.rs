//! IPFIX messages to a pipe. Each reader gets a separate session, with templates first.

use std::io::{self, ErrorKind, Write};

use pidflow_schema::FlowRecord;

use crate::sink::{Link, Loss, Sink, Undelivered};
use crate::wire::Message;

use super::Encoder;
use super::pipe::Pipe;

/// Writes whole messages. Messages that nobody reads are counted as lost.
pub(super) struct MessagePipe {
    encoder: Encoder,
    writer: Writer,
}

struct Writer {
    pipe: Pipe,
    /// Whether a message was lost since the last query.
    failed: bool,
    link: Link,
}

impl MessagePipe {
    pub(super) const fn new(encoder: Encoder, pipe: Pipe, link: Link) -> Self {
        Self { encoder, writer: Writer { pipe, failed: false, link } }
    }
}

impl Sink for MessagePipe {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        let writer = &mut self.writer;
        let counters = writer.link.counters.clone();
        self.encoder.encode(records, now_ns, &counters, &mut |message| writer.append(message));
        self.encoder.count(&counters);
        if std::mem::take(&mut writer.failed) {
            self.encoder.restart();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.writer.link.notice.look();
    }
}

impl Writer {
    fn append(&mut self, message: Message<'_>) {
        // A reader would take the next message for the rest of an incomplete one.
        let written = if self.failed { Err(ErrorKind::BrokenPipe.into()) } else { self.pipe.write_all(message.bytes) };
        match written {
            Ok(()) => {
                self.link.counters.sent(message.records, message.bytes.len());
                self.link.notice.worked();
            }
            Err(e) => self.lost(&e, message.records),
        }
    }

    fn lost(&mut self, e: &io::Error, records: usize) {
        self.failed = true;
        let why = if e.kind() == ErrorKind::TimedOut { Loss::Shutdown } else { Loss::WriteFailed };
        self.link.counters.lost(why, records);
        self.link.failed(e, "records are lost until it has a reader");
    }
}
