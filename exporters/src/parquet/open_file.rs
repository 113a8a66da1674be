//! The file of one hour that records are added to.

use std::io;

use parquet::file::writer::SerializedFileWriter;
use pidflow_schema::FlowRecord;

use super::encoder::{ParquetEncoder, io_error};
use super::row_group::RowGroup;
use super::store::{FileKey, Store, Unfinished};

/// A file that is not complete yet. It is created with its first row group.
pub(super) struct OpenFile {
    /// Hours since 1970 of the records in it.
    pub(super) hour: u64,
    /// When it was begun, nanoseconds since 1970.
    pub(super) begun_ns: u64,
    group: RowGroup,
    /// With the name that it will have.
    writer: Option<(SerializedFileWriter<Unfinished>, FileKey)>,
    /// Records of the row groups that were written.
    written: usize,
}

impl OpenFile {
    pub(super) fn new(hour: u64, begun_ns: u64, encoder: &ParquetEncoder) -> Self {
        Self { hour, begun_ns, group: encoder.row_group(), writer: None, written: 0 }
    }

    /// Adds records of its hour, as [`RowGroup::push`]; true: the row group must be written.
    pub(super) fn push(&mut self, records: &[FlowRecord]) -> bool {
        self.group.push(records);
        self.group.is_full()
    }

    /// Records in it.
    pub(super) const fn records(&self) -> usize {
        self.written + self.group.records()
    }

    /// Bytes written so far.
    pub(super) fn octets(&self) -> u64 {
        self.writer.as_ref().map_or(0, |(writer, _)| writer.bytes_written() as u64)
    }

    /// Writes the row group. The file is called `key` if it is created now.
    ///
    /// # Errors
    /// The file cannot be created or written; it must be given up then.
    pub(super) fn write(&mut self, encoder: &ParquetEncoder, store: &Store, key: FileKey) -> io::Result<()> {
        let (writer, _) = match &mut self.writer {
            Some(open) => open,
            None => {
                let writer = encoder.begin(store.create(&key)?).map_err(io_error)?;
                self.writer.insert((writer, key))
            }
        };
        let records = self.group.records();
        self.group.write(writer).map_err(io_error)?;
        self.written += records;
        Ok(())
    }

    /// Writes the rest. Returns the complete file, which has no name yet; none: there was nothing to write.
    ///
    /// # Errors
    /// It cannot be written. There is no file of it then.
    pub(super) fn complete(
        mut self,
        encoder: &ParquetEncoder,
        store: &Store,
        key: FileKey,
    ) -> io::Result<Option<(Unfinished, FileKey)>> {
        if self.group.records() > 0 {
            self.write(encoder, store, key)?;
        }
        let Some((writer, key)) = self.writer else { return Ok(None) };
        Ok(Some((writer.into_inner().map_err(io_error)?, key)))
    }
}
