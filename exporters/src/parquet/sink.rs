//! Sorts records into the files of their hours, and finishes files by size and time.

use pidflow_schema::FlowRecord;

use crate::config::ParquetConfig;
use crate::random::random;
use crate::sink::{Link, Loss, Mode, Parts, Sink, StartError, Undelivered};
use crate::template::Template;
use crate::time::{TimePattern, wall_ns};

use super::encoder::ParquetEncoder;
use super::open_file::OpenFile;
use super::row_group::MAX_ADDED;
use super::store::{FileKey, NotStored, Store};

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3600 * SECOND_NS;
/// Hours before the present one that have a partition in a live run.
const MAX_LATE: u64 = 48;
/// Hours after the present one that have a partition in a live run.
const MAX_EARLY: u64 = 1;
/// Maximum number of hours that have an incomplete file at the same time. When another one begins, the oldest file is finished.
const MAX_OPEN: usize = 3;
/// Maximum length of the host's name in a file's name.
const MAX_HOST_NAME: usize = 64;

/// Writes records to files.
pub(crate) struct ParquetSink {
    rotate_octets: u64,
    rotate_ns: u64,
    store: Store,
    encoder: ParquetEncoder,
    names: Names,
    open: Vec<OpenFile>,
    mode: Mode,
    link: Link,
}

/// What folders and files are called.
struct Names {
    partition: TimePattern,
    /// The host's name, as far as it can be in a file's name.
    host: String,
    time: TimePattern,
}

impl ParquetSink {
    /// As [`Store::open`].
    pub(crate) fn open(config: &ParquetConfig, parts: &Parts<'_>) -> Result<Self, StartError> {
        let encoder = encoder(parts)?;
        let names = Names::new(&parts.context.host_name).map_err(|reason| parts.error(reason.to_owned()))?;
        Ok(Self {
            rotate_octets: config.rotate_octets,
            rotate_ns: config.rotate_seconds.saturating_mul(SECOND_NS),
            store: Store::open(config, parts)?,
            encoder,
            names,
            open: Vec::new(),
            mode: parts.context.mode,
            link: parts.link(),
        })
    }

    /// The place of the hour's file, which is begun if there is none.
    fn file_of(&mut self, hour: u64, now_ns: u64) -> usize {
        if let Some(at) = self.open.iter().position(|file| file.hour == hour) {
            return at;
        }
        if self.open.len() >= MAX_OPEN {
            self.finish_file(0);
        }
        self.open.push(OpenFile::new(hour, now_ns, &self.encoder));
        self.open.len() - 1
    }

    /// Adds records of one hour.
    fn take(&mut self, hour: u64, records: &[FlowRecord], now_ns: u64) {
        let at = self.file_of(hour, now_ns);
        let Some(file) = self.open.get_mut(at) else { return };
        if !file.push(records) {
            return;
        }
        let key = self.names.of(file);
        match file.write(&self.encoder, &self.store, key) {
            Ok(()) if file.octets() >= self.rotate_octets => self.finish_file(at),
            Ok(()) => {}
            Err(e) => {
                let file = self.open.remove(at);
                self.write_failed(&e, file.records());
            }
        }
    }

    fn finish_file(&mut self, at: usize) {
        let file = self.open.remove(at);
        let (records, key) = (file.records(), self.names.of(&file));
        let (file, key) = match file.complete(&self.encoder, &self.store, key) {
            Ok(Some(complete)) => complete,
            Ok(None) => return,
            Err(e) => return self.write_failed(&e, records),
        };
        match self.store.finish(file, &key, &mut self.link) {
            Ok(octets) => self.link.counters.sent(records, usize::try_from(octets).unwrap_or(usize::MAX)),
            Err(NotStored { error: Some(e), .. }) => self.write_failed(&e, records),
            Err(NotStored { why, error: None }) => self.link.counters.lost(why, records),
        }
    }

    fn write_failed(&mut self, e: &std::io::Error, records: usize) {
        self.link.counters.lost(Loss::WriteFailed, records);
        self.link.failed(e, "the records of a file are lost; the next file is tried");
    }

    /// Finishes files that are old enough. Where files are read, time does not pass.
    fn finish_due(&mut self, now_ns: u64) {
        let age = self.rotate_ns;
        let is_due = |file: &OpenFile| now_ns.saturating_sub(file.begun_ns) >= age;
        while let Some(at) = self.open.iter().position(is_due).filter(|_| self.mode == Mode::Live) {
            self.finish_file(at);
        }
    }
}

impl Sink for ParquetSink {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Undelivered> {
        let now = (self.mode == Mode::Live).then_some(now_ns / HOUR_NS);
        for of_one_hour in records.chunk_by(|a, b| partition(a, now) == partition(b, now)) {
            let hour = of_one_hour.first().map_or(0, |record| partition(record, now));
            of_one_hour.chunks(MAX_ADDED).for_each(|part| self.take(hour, part, now_ns));
        }
        self.finish_due(now_ns);
        Ok(())
    }

    fn flush(&mut self) {
        self.finish_due(wall_ns());
        self.link.notice.look();
    }

    fn finish(&mut self) {
        while !self.open.is_empty() {
            self.finish_file(0);
        }
    }
}

impl Names {
    fn new(host: &str) -> Result<Self, &'static str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let host = host.chars().take(MAX_HOST_NAME).map(|c| if is_plain(c) { c } else { '_' }).collect();
        let (partition, time) = (TimePattern::parse("date=%Y-%m-%d/hour=%H")?, TimePattern::parse("%Y%m%dT%H%M%SZ")?);
        Ok(Self { partition, host, time })
    }

    /// A file's partition, and its name: host, when it was begun, and a number that no other file has.
    fn of(&self, file: &OpenFile) -> FileKey {
        let partition = self.partition.render(file.hour.saturating_mul(HOUR_NS));
        FileKey {
            partition,
            stem: format!("flows-{}-{}-{:016x}", self.host, self.time.render(file.begun_ns), random()),
        }
    }
}

/// The hour of the flow's end, since 1970. In a live run it is the present one if it is far from that: an exporter whose clock is wrong,
/// or that lies, must not make a folder for each record.
fn partition(record: &FlowRecord, now: Option<u64>) -> u64 {
    let hour = record.flow.last_ns / HOUR_NS;
    let is_near = |now: u64| (now.saturating_sub(MAX_LATE)..=now + MAX_EARLY).contains(&hour);
    now.filter(|now| !is_near(*now)).unwrap_or(hour)
}

fn encoder(parts: &Parts<'_>) -> Result<ParquetEncoder, StartError> {
    let template = parts.context.template(parts.config.template.as_ref(), Template::default);
    ParquetEncoder::new(&template).map_err(|e| parts.error(e.to_string()))
}

/// Checks all but the folder, which it would create.
///
/// # Errors
/// The library refuses the schema; the store's address is wrong; this build has no S3.
pub(crate) fn check(config: &ParquetConfig, parts: &Parts<'_>) -> Result<(), StartError> {
    encoder(parts)?;
    match config.folder() {
        Some(_) => Ok(()),
        None => Store::open(config, parts).map(drop),
    }
}
