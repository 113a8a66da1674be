//! IPFIX messages in a file (RFC 5655): the messages one after the other, templates before their records.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::exporter::{Counters, Loss, StartError};
use crate::wire::Message;

use super::{Encoder, Kept, Notice, Sink};

/// Appends whole messages; one that cannot be written is cut off again, counted, and the next ones tried.
pub(crate) struct MessageFile {
    encoder: Encoder,
    writer: Writer,
}

struct Writer {
    file: File,
    /// Octets up to the end of the last whole message.
    length: u64,
    /// A message was lost since this was last asked.
    failed: bool,
    counters: Arc<Counters>,
    notice: Notice,
}

impl MessageFile {
    pub(crate) fn open(path: &Path, encoder: Encoder, counters: &Arc<Counters>) -> Result<Self, StartError> {
        let error = |source| StartError::Open { path: path.into(), source };
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(error)?;
        let length = file.metadata().map_err(error)?.len();
        let notice = Notice::new(path.display().to_string());
        let writer = Writer { file, length, failed: false, counters: counters.clone(), notice };
        Ok(Self { encoder, writer })
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64) {
        let writer = &mut self.writer;
        let counters = writer.counters.clone();
        self.encoder.encode(records, now_ns, &counters, &mut |message| writer.append(message));
        if std::mem::take(&mut writer.failed) {
            // What was lost may have held templates.
            self.encoder.announce_again();
        }
    }
}

impl Sink for MessageFile {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Kept> {
        self.send(records, now_ns);
        Ok(())
    }
}

impl Writer {
    fn append(&mut self, message: Message<'_>) {
        match self.file.write_all(message.bytes) {
            Ok(()) => {
                self.length += message.bytes.len() as u64;
                self.counters.sent(message.records, message.bytes.len());
                self.notice.worked();
            }
            Err(e) => self.lost(&e, message.records),
        }
    }

    /// Shrinking works on a full disk too; what is not a regular file cannot be shrunk, and need not be.
    fn lost(&mut self, e: &io::Error, records: usize) {
        self.failed = true;
        self.counters.error();
        self.counters.lost(Loss::WriteFailed, records);
        self.notice.failed(e, "records are lost until it can be written again");
        if let Err(e) = self.file.set_len(self.length) {
            self.notice.failed(&e, "the file may end within a message");
        }
    }
}
