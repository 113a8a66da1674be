//! The file of one hour that records are added to.

use std::io;
use std::path::Path;

use parquet::file::writer::SerializedFileWriter;
use pidflow_schema::FlowRecord;

use crate::config::FileMode;

use super::encoder::{ParquetEncoder, io_error};
use super::part_file::PartFile;
use super::row_group::RowGroup;

/// A file that is not complete yet. It is created with its first row group.
pub(super) struct OpenFile {
    /// Hours since 1970 of the records in it.
    pub(super) hour: u64,
    /// When it was begun, nanoseconds since 1970.
    pub(super) begun_ns: u64,
    group: RowGroup,
    writer: Option<SerializedFileWriter<PartFile>>,
    /// Records of the row groups that were written.
    written: usize,
}

/// Where files are created.
pub(super) struct Place<'a> {
    /// The partition's folder.
    pub(super) folder: &'a Path,
    /// The file's name without its end.
    pub(super) stem: &'a str,
    pub(super) mode: Option<FileMode>,
}

impl OpenFile {
    pub(super) fn new(hour: u64, begun_ns: u64, encoder: &ParquetEncoder) -> Self {
        Self { hour, begun_ns, group: encoder.row_group(), writer: None, written: 0 }
    }

    /// Adds a record; true: the row group must be written.
    pub(super) fn push(&mut self, record: &FlowRecord) -> bool {
        self.group.push(record);
        self.group.is_full()
    }

    /// Records in it.
    pub(super) const fn records(&self) -> usize {
        self.written + self.group.records()
    }

    /// Bytes written so far.
    pub(super) fn octets(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.bytes_written() as u64)
    }

    /// Writes the row group.
    ///
    /// # Errors
    /// The file cannot be created or written; it must be given up then.
    pub(super) fn write(&mut self, encoder: &ParquetEncoder, place: &Place<'_>) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let part = PartFile::create(place.folder, place.stem, place.mode)?;
                self.writer.insert(encoder.begin(part).map_err(io_error)?)
            }
        };
        let records = self.group.records();
        self.group.write(writer).map_err(io_error)?;
        self.written += records;
        Ok(())
    }

    /// Writes the rest, and gives the file its name. Returns its size in bytes.
    ///
    /// # Errors
    /// It cannot be written. There is no file of it then.
    pub(super) fn finish(mut self, encoder: &ParquetEncoder, place: &Place<'_>) -> io::Result<u64> {
        if self.group.records() > 0 {
            self.write(encoder, place)?;
        }
        match self.writer {
            Some(writer) => writer.into_inner().map_err(io_error)?.finish(),
            None => Ok(0),
        }
    }
}
