//! The values of one column of a row group, until it is written.

use parquet::data_type::{ByteArrayType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::SerializedColumnWriter;
use pidflow_schema::{DataType, Element, FlowRecord, Group, Value};

use super::schema::ColumnKind;
use super::texts::Texts;

const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_MS: u64 = 1_000;
/// Definition levels of the format: the record has the element, or lacks it.
const PRESENT: i16 = 1;
const ABSENT: i16 = 0;

/// One element of the records so far.
pub(super) struct Column {
    read: fn(&FlowRecord) -> Option<Value<'_>>,
    /// Which records can have it.
    pub(super) group: Group,
    kind: ColumnKind,
    /// Whether times are cut to seconds, as the element has them elsewhere.
    is_in_seconds: bool,
    values: Values,
    /// Which records have it, up to the last one that does.
    levels: Vec<i16>,
}

/// Values of the records that have the element.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Text(Box<Texts>),
}

impl Column {
    pub(super) fn new(e: &'static Element) -> Self {
        let kind = ColumnKind::of(e.data_type);
        let values = match kind {
            ColumnKind::Small(_) => Values::Int32(Vec::new()),
            ColumnKind::Unsigned | ColumnKind::Signed | ColumnKind::Time => Values::Int64(Vec::new()),
            ColumnKind::Text => Values::Text(Box::default()),
        };
        let is_in_seconds = e.data_type == DataType::DateTimeSeconds;
        Self { read: e.read, group: e.group, kind, is_in_seconds, values, levels: Vec::new() }
    }

    /// Adds the value of the `row`th record, if it has one. Returns the bytes that it takes in memory.
    pub(super) fn push(&mut self, record: &FlowRecord, row: usize) -> usize {
        let Some(value) = (self.read)(record) else { return 0 };
        let octets = match &mut self.values {
            Values::Int32(all) => {
                all.push(small(&value, self.kind));
                size_of::<i32>()
            }
            Values::Int64(all) => {
                all.push(wide(&value, self.is_in_seconds));
                size_of::<i64>()
            }
            Values::Text(texts) => texts.push(&value),
        };
        self.levels.resize(row, ABSENT);
        self.levels.push(PRESENT);
        octets + size_of::<i16>()
    }

    /// Writes the values of `rows` records and forgets them.
    pub(super) fn write(&mut self, rows: usize, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        self.levels.resize(rows, ABSENT);
        let levels = Some(self.levels.as_slice());
        match &mut self.values {
            Values::Int32(all) => writer.typed::<Int32Type>().write_batch(all, levels, None)?,
            Values::Int64(all) => writer.typed::<Int64Type>().write_batch(all, levels, None)?,
            Values::Text(texts) => writer.typed::<ByteArrayType>().write_batch(&texts.take(), levels, None)?,
        };
        self.clear();
        Ok(())
    }

    /// Forgets the values.
    pub(super) fn clear(&mut self) {
        self.levels.clear();
        match &mut self.values {
            Values::Int32(all) => all.clear(),
            Values::Int64(all) => all.clear(),
            Values::Text(texts) => texts.clear(),
        }
    }
}

/// A number of 8 or 16 bits; a larger one becomes the largest.
fn small(value: &Value<'_>, kind: ColumnKind) -> i32 {
    let most = if kind == ColumnKind::Small(8) { u64::from(u8::MAX) } else { u64::from(u16::MAX) };
    let Value::Unsigned(n) = value else { return 0 };
    i32::try_from(*n.min(&most)).unwrap_or(i32::MAX)
}

/// The 64 bits of a number, or the milliseconds of a time.
fn wide(value: &Value<'_>, is_in_seconds: bool) -> i64 {
    match value {
        Value::Unsigned(n) => n.cast_signed(),
        Value::Signed(n) => *n,
        Value::Time(ns) => {
            let ms = ns / MILLISECOND_NS;
            (if is_in_seconds { ms / SECOND_MS * SECOND_MS } else { ms }).cast_signed()
        }
        _ => 0,
    }
}
