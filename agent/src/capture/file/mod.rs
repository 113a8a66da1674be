//! Capture files: pcap and pcapng, plain or compressed, from disk or standard input.

mod input;
mod pcap;
mod pcapng;
mod records;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pidflow_engine::decode::{Decoder, Fragments, Frame};
use pidflow_engine::packet::Packet;

use super::{BATCH, CaptureCounters, CaptureError, Filter, Interface, counters::count};
use input::Input;
use records::{Fault, Record, Records};

/// How files are read.
#[derive(Default)]
pub struct FileOptions {
    /// Only frames that pass.
    pub filter: Option<Filter>,
    /// What becomes of later IP fragments.
    pub fragments: Fragments,
}

/// Several capture files, read one after the other.
pub struct CaptureFiles {
    waiting: VecDeque<PathBuf>,
    current: Option<CaptureFile>,
    filter: Option<Filter>,
    decoder: Decoder,
    counters: CaptureCounters,
    interfaces: Vec<Interface>,
    reported_interfaces: usize,
    done_octets: u64,
}

struct CaptureFile {
    path: PathBuf,
    input: Input,
    records: Records,
    packets: u64,
}

impl CaptureFiles {
    /// The files in this order; `-` is standard input. None is opened yet.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, options: FileOptions) -> Self {
        Self {
            waiting: paths.into_iter().collect(),
            current: None,
            filter: options.filter,
            decoder: Decoder::new(options.fragments),
            counters: CaptureCounters::default(),
            interfaces: Vec::new(),
            reported_interfaces: 0,
            done_octets: 0,
        }
    }

    /// Appends the next packets, about a thousand at most. False: all files are read.
    ///
    /// # Errors
    /// One file cannot be read, or not further. Packets before the fault are in `packets`; the next call goes on
    /// with the next file.
    pub fn next_batch(&mut self, packets: &mut Vec<Packet>) -> Result<bool, CaptureError> {
        if self.current.is_none() && !self.open_next()? {
            return Ok(false);
        }
        let most = packets.len() + BATCH;
        match self.read(packets, most) {
            Ok(true) => {}
            Ok(false) => self.close(),
            Err(fault) => {
                self.counters.damaged_files += 1;
                let error = self.current.as_ref().map(|file| file.error(fault));
                self.close();
                return error.map_or(Ok(true), Err);
            }
        }
        Ok(true)
    }

    /// The interfaces that the packets of the last batches came from and that were not reported yet.
    pub fn new_interfaces(&mut self) -> &[Interface] {
        let new = self.interfaces.get(self.reported_interfaces..).unwrap_or_default();
        self.reported_interfaces += new.len();
        new
    }

    /// What was read so far.
    pub const fn counters(&self) -> &CaptureCounters {
        &self.counters
    }

    /// Octets of the files as they are on disk that were read so far.
    pub fn octets_read(&self) -> u64 {
        self.done_octets + self.current.as_ref().map_or(0, |file| file.input.octets_read())
    }

    fn open_next(&mut self) -> Result<bool, CaptureError> {
        let Some(path) = self.waiting.pop_front() else { return Ok(false) };
        let opened = CaptureFile::open(&path, &mut self.interfaces);
        self.counters.damaged_files += u64::from(opened.is_err());
        self.current = Some(opened?);
        Ok(true)
    }

    fn close(&mut self) {
        self.done_octets += self.current.take().map_or(0, |file| file.input.octets_read());
    }

    /// False: the file is at its end.
    fn read(&mut self, packets: &mut Vec<Packet>, most: usize) -> Result<bool, Fault> {
        let Some(file) = &mut self.current else { return Ok(false) };
        while packets.len() < most {
            let (used, record) = match file.records.next(file.input.data(), &mut self.interfaces) {
                Ok(step) => step,
                Err(Fault::Incomplete) => {
                    if file.input.fill()? {
                        continue;
                    }
                    return if file.input.data().is_empty() { Ok(false) } else { Err(Fault::Incomplete) };
                }
                Err(fault) => return Err(fault),
            };
            if let Some(record) = record {
                file.packets += 1;
                self.counters.see(record.wire_octets);
                decode(&record, &mut self.filter, &mut self.decoder, &mut self.counters, packets);
            }
            file.input.consume(used);
        }
        Ok(true)
    }
}

#[inline]
fn decode(
    record: &Record<'_>,
    filter: &mut Option<Filter>,
    decoder: &mut Decoder,
    counters: &mut CaptureCounters,
    packets: &mut Vec<Packet>,
) {
    let Record { time_ns, wire_octets, interface, link, data } = *record;
    if filter.as_mut().is_some_and(|filter| !filter.passes(link, data)) {
        count(&mut counters.filtered, wire_octets);
        return;
    }
    match decoder.decode(link.into(), &Frame { time_ns, wire_octets, interface, data }) {
        Ok(packet) => packets.push(packet),
        Err(reason) => counters.discard(reason, wire_octets),
    }
}

impl CaptureFile {
    fn open(path: &Path, interfaces: &mut Vec<Interface>) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Open { path: path.to_owned(), source };
        let mut input = Input::open(path).map_err(failed)?;
        let name: Arc<str> = path.to_string_lossy().into();
        let opened = Records::open(&mut input, name, interfaces);
        let mut file = Self { path: path.to_owned(), input, records: Records::Empty, packets: 0 };
        match opened {
            Ok(records) => file.records = records,
            Err(fault) => return Err(file.error(fault)),
        }
        Ok(file)
    }

    fn error(&self, fault: Fault) -> CaptureError {
        let (path, offset, packets) = (self.path.clone(), self.input.offset(), self.packets);
        match fault {
            Fault::Incomplete => CaptureError::Truncated { path, offset, packets },
            Fault::Malformed(what) => CaptureError::Malformed { path, offset, what, packets },
            Fault::Read(source) => CaptureError::Read { path, offset, source, packets },
            Fault::Magic(magic) => CaptureError::NotACapture { path, magic },
        }
    }
}
