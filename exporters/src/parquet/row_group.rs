//! The records of one row group, column by column, until they are written.

use std::io::Write;

use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;
use pidflow_schema::{Element, FlowRecord, GroupSet};

use super::column::Column;

/// Maximum number of records of a row group. Readers work on row groups in parallel.
const MAX_RECORDS: usize = 65_536;
/// Maximum memory of the values of a row group, bytes.
pub(super) const MAX_OCTETS: usize = 32 << 20;

/// Maximum number of records that are added at once.
pub(super) const MAX_ADDED: usize = 64;

/// Records that are in no file yet.
pub(super) struct RowGroup {
    columns: Vec<Column>,
    records: usize,
    /// Memory of the values.
    octets: usize,
    /// The groups of the records that are added.
    groups: Vec<GroupSet>,
}

impl RowGroup {
    pub(super) fn new(elements: &[&'static Element]) -> Self {
        Self { columns: elements.iter().map(|e| Column::new(e)).collect(), records: 0, octets: 0, groups: Vec::new() }
    }

    /// Adds at most [`MAX_ADDED`] records, one column after the other: the records stay in the processor's cache meanwhile, which the ends of
    /// all columns would not.
    pub(super) fn push(&mut self, records: &[FlowRecord]) {
        self.groups.clear();
        self.groups.extend(records.iter().map(FlowRecord::groups));
        for column in &mut self.columns {
            let group = column.group;
            let may_be = (self.records..).zip(records.iter().zip(&self.groups));
            let may_be = may_be.filter(|(_, (_, groups))| groups.contains(group));
            self.octets += may_be.map(|(row, (record, _))| column.push(record, row)).sum::<usize>();
        }
        self.records += records.len();
    }

    pub(super) const fn records(&self) -> usize {
        self.records
    }

    pub(super) const fn is_full(&self) -> bool {
        self.records + MAX_ADDED > MAX_RECORDS || self.octets >= MAX_OCTETS
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
