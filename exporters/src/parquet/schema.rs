//! The columns of a file: one for each element, with the type that readers use best.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use pidflow_schema::{DataType, Element};

/// The fastest of zstd's usual levels (its default is 3): the agent shares the host with what it observes.
const ZSTD_LEVEL: i32 = 1;
/// Texts of which nearly every flow has another: a dictionary of them would be as large as the texts.
const UNLIKE: [&str; 2] = ["FLOW_KEY", "COMMUNITY_ID"];

/// How an element's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// INT32, unsigned, of this many bits (8 or 16). A value that does not fit is stored as the largest one.
    Small(u8),
    /// INT64, unsigned. Elements of 32 bits too: a record's counters have 64, whatever is sent over IPFIX.
    Unsigned,
    /// INT64.
    Signed,
    /// INT64: milliseconds since 1970, UTC. Parquet has no unit of seconds.
    Time,
    /// UTF-8. Addresses too: no reader has a type for them that another one knows.
    Text,
}

impl ColumnKind {
    pub(super) const fn of(data_type: DataType) -> Self {
        match data_type {
            DataType::Unsigned8 => Self::Small(8),
            DataType::Unsigned16 => Self::Small(16),
            DataType::Unsigned32 | DataType::Unsigned64 => Self::Unsigned,
            DataType::Signed64 => Self::Signed,
            DataType::DateTimeSeconds | DataType::DateTimeMilliseconds | DataType::DateTimeNanoseconds => Self::Time,
            DataType::String | DataType::Ipv4Address | DataType::Ipv6Address | DataType::MacAddress => Self::Text,
        }
    }

    fn physical(self) -> Physical {
        match self {
            Self::Small(_) => Physical::INT32,
            Self::Unsigned | Self::Signed | Self::Time => Physical::INT64,
            Self::Text => Physical::BYTE_ARRAY,
        }
    }

    fn logical(self) -> LogicalType {
        match self {
            Self::Small(bits) => LogicalType::integer(bits.cast_signed(), false),
            Self::Unsigned => LogicalType::integer(64, false),
            Self::Signed => LogicalType::integer(64, true),
            Self::Time => LogicalType::timestamp(true, TimeUnit::MILLIS),
            Self::Text => LogicalType::String,
        }
    }
}

/// The schema of a file with these elements: every column can be absent from a record.
///
/// # Errors
/// The library refuses it.
pub(super) fn schema(elements: &[&'static Element]) -> Result<TypePtr> {
    let fields: Result<Vec<TypePtr>> = elements.iter().map(|e| column(e)).collect();
    Type::group_type_builder("flows").with_fields(fields?).build().map(Arc::new)
}

fn column(e: &Element) -> Result<TypePtr> {
    let kind = ColumnKind::of(e.data_type);
    let column = Type::primitive_type_builder(e.name, kind.physical()).with_repetition(Repetition::OPTIONAL);
    column.with_logical_type(Some(kind.logical())).build().map(Arc::new)
}

/// How the columns are encoded and compressed.
///
/// # Errors
/// The library refuses the level of compression.
pub(super) fn properties(elements: &[&'static Element]) -> Result<WriterProperties> {
    let usual = WriterProperties::builder()
        .set_created_by(concat!("pidflow version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    let all = elements.iter().fold(usual, |all, e| {
        let path = ColumnPath::from(e.name);
        match ColumnKind::of(e.data_type) {
            // Times grow from record to record.
            ColumnKind::Time => all
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // The least and the greatest text of a row group tell readers nothing that saves work.
            ColumnKind::Text => all
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
                .set_column_dictionary_enabled(path, !UNLIKE.contains(&e.name)),
            _ => all,
        }
    });
    Ok(all.build())
}
