//! IPFIX messages in a file (RFC 5655): a sequence of messages, with templates before their records.
//!
//! A file is one transport session with its own templates and a sequence from 0 (RFC 5655 section 5). A second session
//! in the same file would give the same template numbers other meanings, and readers such as ipfixDump and tshark
//! report lost records where the sequence starts again. So the file of an earlier run is renamed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::FileMode;
use crate::sink::{Counters, Loss, StartError};
use crate::wire::Message;

use super::lines::NOT_OPENED;
use super::named_file::{FileState, NamedFile};
use crate::sink::{Notice, Sink, Undelivered};

use super::Encoder;

/// Appends whole messages. If a message cannot be written, its part is truncated, the loss is counted, and the next
/// messages are tried.
pub(crate) struct MessageFile {
    encoder: Encoder,
    writer: Writer,
}

struct Writer {
    named: NamedFile,
    mode: Option<FileMode>,
    /// Whether the name now belongs to another file, which cannot be opened.
    is_displaced: bool,
    /// Offset of the end of the last whole message.
    length: u64,
    /// Whether a message was lost since the last query.
    failed: bool,
    counters: Arc<Counters>,
    notice: Notice,
}

impl MessageFile {
    pub(crate) fn open(
        path: &Path,
        mode: Option<FileMode>,
        encoder: Encoder,
        counters: &Arc<Counters>,
    ) -> Result<Self, StartError> {
        let error = |source| StartError::Open { path: path.into(), source };
        let (named, length) = begin(path, mode).map_err(error)?;
        let notice = Notice::new(path.display().to_string());
        let writer =
            Writer { named, mode, is_displaced: false, length, failed: false, counters: counters.clone(), notice };
        Ok(Self { encoder, writer })
    }

    /// Starts a new session when the file was replaced.
    ///
    /// # Errors
    /// The file was deleted and cannot be created again.
    fn follow(&mut self) -> io::Result<()> {
        let followed = self.writer.follow();
        self.writer.is_displaced = followed.is_err();
        match followed {
            Ok(true) => self.encoder.restart(),
            Ok(false) => {}
            Err(e) if self.writer.named.is_deleted() => return Err(e),
            Err(e) => self.writer.notice.failed(&e, NOT_OPENED),
        }
        Ok(())
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64) {
        let writer = &mut self.writer;
        let counters = writer.counters.clone();
        self.encoder.encode(records, now_ns, &counters, &mut |message| writer.append(message));
        self.encoder.count(&counters);
        if std::mem::take(&mut writer.failed) {
            // The lost messages may have contained templates.
            self.encoder.announce_again();
        }
    }
}

impl Sink for MessageFile {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        match self.follow() {
            Ok(()) => self.send(records, now_ns),
            Err(e) => self.writer.count_lost(&e, records.len()),
        }
        Ok(())
    }

    /// A moved file is created again even if there is nothing to write.
    fn flush(&mut self) {
        if let Err(e) = self.follow() {
            self.writer.notice.failed(&e, "the file was deleted and cannot be created again");
        }
        self.writer.notice.look();
    }
}

/// An empty file for a new session.
fn begin(path: &Path, mode: Option<FileMode>) -> io::Result<(NamedFile, u64)> {
    move_aside(path)?;
    let named = NamedFile::append(path, mode)?;
    let length = named.length()?.unwrap_or(0);
    Ok((named, length))
}

/// Renames a non-empty file, by appending the first free number to its name. Empty files and other outputs stay as they
/// are.
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
    tracing::info!("{}: the output of an earlier run was moved to {}", path.display(), free.display());
    Ok(())
}

impl Writer {
    /// Checks whether the file was moved, deleted or truncated. Returns whether a new file begins.
    fn follow(&mut self) -> io::Result<bool> {
        match self.named.whereabouts()? {
            FileState::Moved => {
                (self.named, self.length) = begin(&self.named.path, self.mode)?;
                tracing::info!("{}: was moved or deleted; a new file is started", self.named.path.display());
                Ok(true)
            }
            // The file was truncated, for example by logrotate's `copytruncate`. Messages written before this was
            // noticed lack their templates.
            FileState::InPlace(Some(now)) if now < self.length => {
                (self.named, self.length) = begin(&self.named.path, self.mode)?;
                Ok(true)
            }
            FileState::InPlace(_) => Ok(false),
        }
    }

    fn count_lost(&mut self, e: &io::Error, records: usize) {
        self.failed = true;
        self.counters.error();
        self.counters.lost(Loss::WriteFailed, records);
        self.notice.failed(e, "records are lost until it is writable again");
    }

    fn append(&mut self, message: Message<'_>) {
        match self.named.file.write_all(message.bytes) {
            Ok(()) => {
                self.length += message.bytes.len() as u64;
                self.counters.sent(message.records, message.bytes.len());
                if !self.is_displaced {
                    self.notice.worked();
                }
            }
            Err(e) => self.lost(&e, message.records),
        }
    }

    /// Truncating works on a full disk too. An output that is not a regular file cannot be truncated, and need not be.
    fn lost(&mut self, e: &io::Error, records: usize) {
        self.count_lost(e, records);
        if let Err(e) = self.named.file.set_len(self.length) {
            self.notice.failed(&e, "the file may end within a message");
        }
    }
}
