//! Capture files: pcap and pcapng, plain or compressed, from disk or standard input.

mod input;
mod interrupt;
mod opener;
mod order;
mod pcap;
mod pcapng;
mod records;
mod source;
mod step;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use pidflow_engine::application::Payloads;
use pidflow_engine::decode::{DecodeRules, Decoder, Frame};
use pidflow_engine::packet::Packet;
use pidflow_engine::tunnel::PacketTunnel;

use super::{CaptureCounters, CaptureError, Filter, Interface, MAX_BATCH_PACKETS};
use input::{Filled, Input};
pub use interrupt::Interrupt;
pub use opener::Opener;
use records::RecordReader;
use source::Source;
use step::{BadBlock, Fault, Found, Record};

/// How files are read.
#[derive(Default)]
pub struct FileOptions {
    /// Only frames that pass this filter are decoded; none: all are.
    pub filter: Option<Filter>,
    /// How to decode packets.
    pub rules: DecodeRules,
    /// Ends a wait for input; none: reading waits until data arrives.
    pub interrupt: Option<Interrupt>,
    /// The thread that opens the files; none: the reading thread opens them.
    pub opener: Option<Opener>,
}

/// Several capture files, read one after the other.
pub struct CaptureFiles {
    waiting: VecDeque<PathBuf>,
    current: Option<CaptureFile>,
    filter: Option<Filter>,
    decoder: Decoder,
    interrupt: Option<Interrupt>,
    opener: Option<Opener>,
    counters: CaptureCounters,
    interfaces: Vec<Interface>,
    reported_interfaces: usize,
    bytes_of_closed: u64,
    has_all_that_came: bool,
}

struct CaptureFile {
    path: PathBuf,
    name: Arc<str>,
    input: Input,
    records: RecordReader,
    packets: u64,
    bad_blocks: BadBlocks,
}

/// Blocks that were skipped.
#[derive(Default)]
struct BadBlocks {
    number: u64,
    /// Byte offset of the first one, and what is wrong with it.
    first: Option<(u64, BadBlock)>,
}

/// Why a batch ends.
enum Progress {
    /// It is full.
    Full,
    /// No more data is available yet.
    Waiting,
    /// The file is at its end.
    End,
}

impl CaptureFiles {
    /// The files in this order; `-` is standard input. None is opened yet.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, options: FileOptions) -> Self {
        Self {
            waiting: paths.into_iter().collect(),
            current: None,
            filter: options.filter,
            decoder: Decoder::new(options.rules),
            interrupt: options.interrupt,
            opener: options.opener,
            counters: CaptureCounters::default(),
            interfaces: Vec::new(),
            reported_interfaces: 0,
            bytes_of_closed: 0,
            has_all_that_came: false,
        }
    }

    /// Appends the next packets: at most 1024, fewer if no more data is available yet (a pipe). Waits if there are
    /// none; if that wait is interrupted, nothing is appended. False: all files have been read.
    ///
    /// # Errors
    /// One file cannot be opened or read to its end, or blocks of it were skipped. Packets before the fault are in
    /// `packets`; the next call continues with the next file.
    pub fn next_batch(&mut self, packets: &mut Vec<Packet>) -> Result<bool, CaptureError> {
        self.has_all_that_came = false;
        if self.current.is_none() && !self.open_next()? {
            return Ok(false);
        }
        let before = packets.len();
        let ended = match self.read(packets, before) {
            Ok(Progress::Full) => return Ok(true),
            Ok(Progress::Waiting) => {
                self.has_all_that_came = true;
                return Ok(true);
            }
            Ok(Progress::End) => None,
            Err(fault) => Some(fault),
        };
        let Some(file) = self.current.take() else { return Ok(true) };
        self.bytes_of_closed += file.input.bytes_read();
        let error = file.error(ended);
        self.counters.damaged_files += u64::from(error.is_some());
        error.map_or(Ok(true), Err)
    }

    /// Whether the last batch has all packets that are available now, so that it should be processed without waiting
    /// for more.
    pub const fn has_all_that_came(&self) -> bool {
        self.has_all_that_came
    }

    /// The tunnels that carried packets of the batches since the last call.
    pub fn take_tunnels(&mut self) -> Vec<PacketTunnel> {
        self.decoder.take_tunnels()
    }

    /// The payloads picked from packets of the batches since the last call.
    pub fn take_payloads(&mut self) -> Payloads {
        self.decoder.take_payloads()
    }

    /// The interfaces that the packets of the last batches came from and that were not reported yet.
    pub fn new_interfaces(&mut self) -> &[Interface] {
        let new = self.interfaces.get(self.reported_interfaces..).unwrap_or_default();
        self.reported_interfaces += new.len();
        new
    }

    /// The counters of all files up to now.
    pub const fn counters(&self) -> &CaptureCounters {
        &self.counters
    }

    /// Bytes read from the files so far, before decompression.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_of_closed + self.current.as_ref().map_or(0, |file| file.input.bytes_read())
    }

    fn open_next(&mut self) -> Result<bool, CaptureError> {
        let Some(path) = self.waiting.pop_front() else { return Ok(false) };
        let source = self.opener.as_ref().map_or_else(|| Source::open(&path), |opener| opener.open(&path));
        let opened = source.map(|source| Input::new(source, self.interrupt.clone()));
        self.counters.damaged_files += u64::from(opened.is_err());
        match opened {
            Ok(input) => self.current = Some(CaptureFile::new(path, input)),
            Err(source) => return Err(CaptureError::Open { path, source }),
        }
        Ok(true)
    }

    fn read(&mut self, packets: &mut Vec<Packet>, before: usize) -> Result<Progress, Fault> {
        let Some(file) = &mut self.current else { return Ok(Progress::End) };
        while packets.len() < before + MAX_BATCH_PACKETS {
            let step = match file.records.next(file.input.data(), &file.name, &mut self.interfaces) {
                Ok(step) => step,
                // The whole fault is passed on, so that the loop drops no error value for packets without one.
                Err(fault) => match file.fill_after(fault, packets.len() == before)? {
                    None => continue,
                    Some(progress) => return Ok(progress),
                },
            };
            match step.found {
                Found::Frame(record) => {
                    file.packets += 1;
                    self.counters.see(record.wire_octets);
                    decode(&record, &mut self.filter, &mut self.decoder, &mut self.counters, packets);
                }
                Found::Bad(what) => {
                    self.counters.bad_blocks += 1;
                    file.bad_blocks.count(file.input.offset(), what);
                }
                Found::Other => {}
            }
            file.input.consume(step.used);
        }
        Ok(Progress::Full)
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
        counters.filtered.count(wire_octets);
        return;
    }
    match decoder.decode(link.into(), &Frame { time_ns, wire_octets, interface, data }) {
        Ok(packet) => packets.push(packet),
        Err(reason) => counters.discard(reason, wire_octets),
    }
}

impl CaptureFile {
    fn new(path: PathBuf, input: Input) -> Self {
        Self {
            name: path.to_string_lossy().into(),
            path,
            input,
            records: RecordReader::Unrecognized,
            packets: 0,
            bad_blocks: BadBlocks::default(),
        }
    }

    /// Reads more data if the fault is only that the data is incomplete. None: there is more data now.
    #[cold]
    fn fill_after(&mut self, fault: Fault, may_wait: bool) -> Result<Option<Progress>, Fault> {
        let Fault::Incomplete = fault else { return Err(fault) };
        match self.input.fill(may_wait)? {
            Filled::More => Ok(None),
            Filled::Nothing => Ok(Some(Progress::Waiting)),
            Filled::End if self.is_at_its_end() => Ok(Some(Progress::End)),
            Filled::End => Err(Fault::Incomplete),
        }
    }

    fn is_at_its_end(&self) -> bool {
        self.records.have_begun() && self.input.is_between_records()
    }

    /// The error to report when the file ends or reading it failed.
    fn error(self, fault: Option<Fault>) -> Option<CaptureError> {
        let (path, offset, packets) = (self.path, self.input.offset(), self.packets);
        Some(match fault {
            None => {
                let (offset, what) = self.bad_blocks.first?;
                CaptureError::BadBlocks { path, blocks: self.bad_blocks.number, offset, what: what.to_string() }
            }
            Some(Fault::Incomplete) if !self.records.have_begun() => {
                CaptureError::TooShort { path, bytes: self.input.data().len() }
            }
            Some(Fault::Incomplete | Fault::CompressedCut) => CaptureError::Truncated { path, offset, packets },
            Some(Fault::Malformed(what)) => CaptureError::Malformed { path, offset, what, packets },
            Some(Fault::Version(version)) => CaptureError::Version { path, version, packets },
            Some(Fault::Read(source)) => CaptureError::Read { path, offset, source, packets },
            Some(Fault::Magic(magic)) => {
                let magic = magic.iter().map(|byte| format!("{byte:02x}")).collect();
                CaptureError::NotACapture { path, magic }
            }
        })
    }
}

impl BadBlocks {
    #[cold]
    fn count(&mut self, offset: u64, what: BadBlock) {
        self.number += 1;
        self.first.get_or_insert((offset, what));
    }
}
