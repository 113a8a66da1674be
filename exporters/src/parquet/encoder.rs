//! Converts flow records to a Parquet file.

use std::io::Write;
use std::sync::Arc;

use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;
use pidflow_schema::{Element, FlowRecord};

use crate::template::Template;

use super::row_group::{MAX_ADDED, RowGroup};
use super::schema::{properties, schema};

/// The columns of files, and how they are stored.
#[derive(Debug, Clone)]
pub struct ParquetEncoder {
    elements: Vec<&'static Element>,
    schema: TypePtr,
    properties: WriterPropertiesPtr,
}

impl ParquetEncoder {
    /// A column for each element of the template.
    ///
    /// # Errors
    /// The library refuses the schema.
    pub fn new(template: &Template) -> Result<Self> {
        let elements = template.elements().to_vec();
        let (schema, properties) = (schema(&elements)?, Arc::new(properties(&elements)?));
        Ok(Self { elements, schema, properties })
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn encode<W: Write + Send>(&self, records: &[FlowRecord], out: W) -> Result<W> {
        let (mut file, mut group) = (self.begin(out)?, self.row_group());
        for part in records.chunks(MAX_ADDED) {
            group.push(part);
            if group.is_full() {
                group.write(&mut file)?;
            }
        }
        if group.records() > 0 {
            group.write(&mut file)?;
        }
        file.into_inner()
    }

    pub(super) fn begin<W: Write + Send>(&self, out: W) -> Result<SerializedFileWriter<W>> {
        SerializedFileWriter::new(out, self.schema.clone(), self.properties.clone())
    }

    pub(super) fn row_group(&self) -> RowGroup {
        RowGroup::new(&self.elements)
    }
}

/// The system's error, if that is the cause; otherwise what the library says.
pub(super) fn io_error(error: ParquetError) -> std::io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(e) => *e,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}
