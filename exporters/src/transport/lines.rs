//! JSON lines to a file or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use pidflow_schema::FlowRecord;

use crate::config::{JsonConfig, JsonOutput};
use crate::exporter::{Counters, Loss, StartError};
use crate::json::JsonEncoder;
use crate::template::Template;

use super::{Kept, Notice, Parts, Sink};

/// Written as soon as this much has come together.
const BUFFER: usize = 64 * 1024;

/// Appends lines; when they cannot be written they are counted and the next ones tried.
pub(crate) struct LineSink {
    encoder: JsonEncoder,
    buffer: Vec<u8>,
    output: Output,
    counters: Arc<Counters>,
    notice: Notice,
}

enum Output {
    Stdout,
    /// With its length up to the end of its last whole line; none: not a regular file.
    File(File, Option<u64>),
}

impl LineSink {
    pub(super) fn open(config: &JsonConfig, parts: &Parts<'_>) -> Result<Self, StartError> {
        let context = parts.context;
        let (output, name) = match &config.output {
            JsonOutput::Stdout => (Output::Stdout, "standard output".to_owned()),
            JsonOutput::File(path) => {
                let opened = open(path).map_err(|source| StartError::Open { path: path.clone(), source })?;
                (opened, path.display().to_string())
            }
        };
        let template = context.template(parts.config.template.as_ref(), Template::default);
        Ok(Self {
            encoder: JsonEncoder::new(&template, config.keys, context.own_pen),
            buffer: Vec::with_capacity(2 * BUFFER),
            output,
            counters: parts.counters.clone(),
            notice: Notice::new(name),
        })
    }
}

impl Sink for LineSink {
    fn export(&mut self, records: &[FlowRecord], _now_ns: u64) -> Result<(), Kept> {
        for record in records {
            self.encoder.encode(std::slice::from_ref(record), &mut self.buffer);
            if self.buffer.len() >= BUFFER {
                self.flush();
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let (written, result) = self.output.write(&self.buffer);
        let whole = lines(self.buffer.get(..written).unwrap_or_default());
        let lost = lines(&self.buffer) - whole;
        self.counters.sent(whole, written);
        self.counters.lost(Loss::WriteFailed, lost);
        match result {
            Ok(()) => self.notice.worked(),
            Err(e) => {
                self.counters.error();
                self.notice.failed(&e, "records are lost until it can be written again");
            }
        }
        self.buffer.clear();
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn open(path: &Path) -> io::Result<Output> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok(Output::File(file, length))
}

impl Output {
    /// Writes all of it, or as many whole lines as can be. Returns the octets that stay.
    fn write(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                let (written, result) = write_counting(&mut out, bytes);
                (written, result.and_then(|()| out.flush()))
            }
            Self::File(file, length) => {
                let (written, result) = write_counting(file, bytes);
                let whole =
                    bytes.get(..written).and_then(|b| b.iter().rposition(|b| *b == b'\n')).map_or(0, |at| at + 1);
                if let Some(length) = length {
                    *length += whole as u64;
                    if whole < written {
                        // A torn line would spoil the one after it. Shrinking works on a full disk too.
                        let shrunk = file.set_len(*length);
                        return (whole, result.and(shrunk));
                    }
                }
                (whole, result)
            }
        }
    }
}

/// As `write_all`, but says how far it came.
fn write_counting(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|r| !r.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}
