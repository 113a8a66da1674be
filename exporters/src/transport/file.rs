//! IPFIX messages in a file (RFC 5655): the messages one after the other, templates before their records.
//!
//! A file is one transport session, which has its own templates and counts from 0 (RFC 5655 section 5): a second one behind
//! it would give other meanings to the same template numbers, and readers such as ipfixDump and tshark take the end of
//! one sequence and the beginning of the next for lost records. So what an earlier run wrote is moved aside.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
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
        move_aside(path).map_err(error)?;
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
        self.encoder.count(&counters);
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

/// Gives a file with something in it the first number behind its name that is free; nothing else has a past.
fn move_aside(path: &Path) -> io::Result<()> {
    let has_past = path.metadata().is_ok_and(|m| m.is_file() && m.len() > 0);
    if !has_past {
        return Ok(());
    }
    let numbered = (1_u32..).map(|n| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    });
    let free = numbered.into_iter().find(|to| to.symlink_metadata().is_err()).ok_or(io::ErrorKind::AlreadyExists)?;
    std::fs::rename(path, &free)?;
    tracing::info!("{}: what an earlier run wrote is in {}", path.display(), free.display());
    Ok(())
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
