//! JSON lines to files or standard output.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::{FileCompression, JsonConfig, JsonOutput, LineFileConfig};
use crate::json::JsonEncoder;
use crate::sink::{Control, Counters, Loss, Notice, Parts, Sink, StartError, Undelivered};
use crate::time::wall_ns;

use super::line_file::{LineFile, compressed};
use super::pipe::Pipe;
use super::write::{Written, lines, write_counting};

/// Size of buffered data at which it is written, bytes.
const BUFFER: usize = 64 * 1024;
/// The same for compressed data.
const COMPRESSED_BUFFER: usize = 256 * 1024;

/// Whether the current file was moved and still exists.
pub(super) const NOT_OPENED: &str = "the file of this name cannot be opened; records still go to the moved file";

/// Appends lines. Lines that cannot be written are counted as lost, and the next ones are tried.
pub(crate) struct LineSink {
    encoder: JsonEncoder,
    buffer: Vec<u8>,
    /// Capacity of the buffer.
    size: usize,
    output: Output,
    /// Whether the name now belongs to another file, which cannot be opened.
    is_displaced: bool,
    /// The clock at the last records.
    now_ns: u64,
    counters: Arc<Counters>,
    control: Arc<Control>,
    notice: Notice,
}

enum Output {
    /// Opens the output; also standard output.
    Pipe(Pipe, FileCompression),
    File(Box<LineFile>),
}

impl LineSink {
    pub(super) fn open(config: &JsonConfig, encoder: JsonEncoder, parts: &Parts<'_>) -> Result<Self, StartError> {
        let now_ns = wall_ns();
        let (output, size) = match &config.output {
            JsonOutput::File(file) => (open(file, now_ns, parts.control)?, size(file)),
            _ => (stdout(parts.control)?, BUFFER),
        };
        Ok(Self {
            encoder,
            buffer: Vec::with_capacity(size + BUFFER),
            size,
            output,
            is_displaced: false,
            now_ns,
            counters: parts.counters.clone(),
            control: parts.control.clone(),
            notice: Notice::new(parts.config.name()),
        })
    }

    /// Begins the next file if it is due.
    fn rotate_if_due(&mut self) {
        let now_ns = self.now_ns;
        if matches!(&self.output, Output::File(file) if file.is_due(now_ns)) {
            self.write();
            if let Output::File(file) = &mut self.output
                && let Err(e) = file.rotate(now_ns)
            {
                self.counters.error();
                self.notice.failed(&e, "cannot start the next file or delete the oldest");
            }
        }
    }

    /// Ensures that data written next is not lost, because the file may have been moved or deleted.
    ///
    /// # Errors
    /// The file was deleted and cannot be created again.
    fn follow(&mut self) -> io::Result<()> {
        let Output::File(file) = &mut self.output else { return Ok(()) };
        let followed = file.follow();
        self.is_displaced = followed.is_err();
        match followed {
            Err(e) if !file.is_deleted() => {
                self.notice.failed(&e, NOT_OPENED);
                Ok(())
            }
            followed => followed,
        }
    }

    fn write(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let Written { lines: whole, octets, result } = match self.follow() {
            Ok(()) => self.output.write(&self.buffer),
            Err(e) => Written::nothing(e),
        };
        let lost = lines(&self.buffer) - whole;
        if whole > 0 {
            self.counters.sent(whole, octets);
        }
        let is_over = result.as_ref().is_err_and(|e| e.kind() == ErrorKind::TimedOut) && self.control.is_over();
        self.counters.lost(if is_over { Loss::Shutdown } else { Loss::WriteFailed }, lost);
        match result {
            Ok(()) if self.is_displaced => {}
            Ok(()) => self.notice.worked(),
            Err(e) => {
                self.counters.error();
                self.notice.failed(&e, "records are lost until it is writable again");
            }
        }
        self.buffer.clear();
    }
}

impl Sink for LineSink {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        self.now_ns = now_ns;
        self.rotate_if_due();
        for record in records {
            self.encoder.encode(std::slice::from_ref(record), &mut self.buffer);
            if self.buffer.len() >= self.size {
                self.write();
                self.rotate_if_due();
            }
        }
        Ok(())
    }

    /// A moved file is created again even if there is nothing to write.
    fn flush(&mut self) {
        if self.buffer.is_empty()
            && let Err(e) = self.follow()
        {
            self.notice.failed(&e, "the file was deleted and cannot be created again");
        }
        self.write();
        self.notice.look();
    }
}

const fn size(file: &LineFileConfig) -> usize {
    match file.compression {
        FileCompression::None => BUFFER,
        FileCompression::Gzip | FileCompression::Zstd => COMPRESSED_BUFFER,
    }
}

fn stdout(control: &Arc<Control>) -> Result<Output, StartError> {
    let error = |source| StartError::Open { path: "standard output".into(), source };
    Ok(Output::Pipe(Pipe::stdout(control).map_err(error)?, FileCompression::None))
}

fn open(config: &LineFileConfig, now_ns: u64, control: &Arc<Control>) -> Result<Output, StartError> {
    let path = config.name.at(now_ns, 0);
    let pipe = Pipe::open(&path, control).map_err(|source| StartError::Open { path, source })?;
    if let Some(pipe) = pipe {
        return Ok(Output::Pipe(pipe, config.compression));
    }
    let file = LineFile::open(config, now_ns).map_err(|(path, source)| StartError::Open { path, source })?;
    Ok(Output::File(Box::new(file)))
}

impl Output {
    /// Writes all of the data, or as many whole lines as possible.
    fn write(&mut self, bytes: &[u8]) -> Written {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Pipe(pipe, compression) => match compressed(*compression, bytes) {
                Ok(None) => write_lines(pipe, bytes),
                Ok(Some(part)) => write_part(pipe, &part, lines(bytes)),
                Err(e) => Written::nothing(e),
            },
        }
    }
}

fn write_lines(pipe: &mut Pipe, bytes: &[u8]) -> Written {
    let (octets, result) = write_counting(pipe, bytes);
    Written { lines: lines(bytes.get(..octets).unwrap_or_default()), octets, result }
}

/// A compressed part can be read only as a whole.
fn write_part(pipe: &mut Pipe, part: &[u8], lines: usize) -> Written {
    let (octets, result) = write_counting(pipe, part);
    if octets == part.len() { Written { lines, octets, result } } else { Written { lines: 0, octets: 0, result } }
}
