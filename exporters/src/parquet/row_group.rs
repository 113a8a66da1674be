//! The records of one row group, column by column, until they are written.

use std::io::Write;

use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;
use pidflow_schema::{Element, FlowRecord};

use super::column::Column;

/// Maximum number of records of a row group. Readers work on row groups in parallel.
const MAX_RECORDS: usize = 65_536;
/// Maximum memory of the values of a row group, bytes.
pub(super) const MAX_OCTETS: usize = 32 << 20;

/// Records that are in no file yet.
pub(super) struct RowGroup {
    columns: Vec<Column>,
    records: usize,
    /// Memory of the values.
    octets: usize,
}

impl RowGroup {
    pub(super) fn new(elements: &[&'static Element]) -> Self {
        Self { columns: elements.iter().map(|e| Column::new(e)).collect(), records: 0, octets: 0 }
    }

    pub(super) fn push(&mut self, record: &FlowRecord) {
        let (groups, row) = (record.groups(), self.records);
        let may_be = self.columns.iter_mut().filter(|column| groups.contains(column.group));
        self.octets += may_be.map(|column| column.push(record, row)).sum::<usize>();
        self.records += 1;
    }

    pub(super) const fn records(&self) -> usize {
        self.records
    }

    pub(super) const fn is_full(&self) -> bool {
        self.records >= MAX_RECORDS || self.octets >= MAX_OCTETS
    }

    /// Writes the records and forgets them, whether they could be written or not.
    ///
    /// # Errors
    /// The file cannot be written. It is incomplete then.
    pub(super) fn write<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let written = self.write_columns(file);
        self.columns.iter_mut().for_each(Column::clear);
        (self.records, self.octets) = (0, 0);
        written
    }

    fn write_columns<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for column in &mut self.columns {
            if let Some(mut writer) = group.next_column()? {
                column.write(self.records, &mut writer)?;
                writer.close()?;
            }
        }
        group.close().map(drop)
    }
}
