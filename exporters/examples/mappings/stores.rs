//! Tables and indices for the JSON lines with names as keys.

use pidflow_schema::{DataType, ELEMENTS, Element};
use serde_json::{Map, Value, json};

use crate::text::{GENERATED, line};

/// Texts of which nearly every flow has another: a dictionary of them would be as large as the texts.
const UNLIKE: [&str; 2] = ["FLOW_KEY", "COMMUNITY_ID"];

fn clickhouse_type(e: &Element) -> &'static str {
    match e.data_type {
        DataType::String if UNLIKE.contains(&e.name) => "Nullable(String)",
        DataType::Unsigned8 => "Nullable(UInt8)",
        DataType::Unsigned16 => "Nullable(UInt16)",
        // Numbers of JSON are whole, also where IPFIX saturates at 32 bits.
        DataType::Unsigned32
        | DataType::Unsigned64
        | DataType::DateTimeMilliseconds
        | DataType::DateTimeNanoseconds => "Nullable(UInt64)",
        DataType::Signed64 => "Nullable(Int64)",
        DataType::String => "LowCardinality(Nullable(String))",
        DataType::Ipv4Address => "Nullable(IPv4)",
        DataType::Ipv6Address => "Nullable(IPv6)",
        DataType::MacAddress => "Nullable(String)",
        // The partition, and when a row is old, hang on it: a template may lack it.
        DataType::DateTimeSeconds => "DateTime DEFAULT now()",
    }
}

/// ClickHouse: a table for `INSERT INTO flows FORMAT JSONEachRow`. It keeps the tokens of inserts, by which an insert that
/// is sent again is not made again.
pub(crate) fn clickhouse() -> String {
    let mut out = format!(
        "-- {GENERATED}\n-- INSERT INTO flows FORMAT JSONEachRow takes what `pidflow run --json -` writes.\nCREATE TABLE IF NOT EXISTS flows\n(\n"
    );
    for e in ELEMENTS.iter() {
        line(
            &mut out,
            format_args!("    `{}` {} COMMENT '{}',", e.name, clickhouse_type(e), e.doc.replace('\'', "''")),
        );
    }
    for (name, element) in [("flow_start", "FLOW_START_MILLISECONDS"), ("flow_end", "FLOW_END_MILLISECONDS")] {
        line(
            &mut out,
            format_args!(
                "    `{name}` DateTime64(3) ALIAS fromUnixTimestamp64Milli(assumeNotNull(toInt64(`{element}`))),"
            ),
        );
    }
    out.truncate(out.trim_end().trim_end_matches(',').len());
    out + "\n)\nENGINE = MergeTree\nPARTITION BY toYYYYMMDD(LAST_SWITCHED)\nORDER BY (LAST_SWITCHED)\nTTL LAST_SWITCHED + INTERVAL 30 DAY\nSETTINGS non_replicated_deduplication_window = 1000;\n"
}

fn elasticsearch_type(e: &Element) -> Value {
    match e.data_type {
        DataType::Unsigned8 => json!({"type": "short"}),
        DataType::Unsigned16 => json!({"type": "integer"}),
        DataType::Unsigned32 | DataType::Unsigned64 | DataType::Signed64 => json!({"type": "long"}),
        DataType::String | DataType::MacAddress => json!({"type": "keyword", "ignore_above": 8191}),
        DataType::Ipv4Address | DataType::Ipv6Address => json!({"type": "ip"}),
        DataType::DateTimeSeconds => json!({"type": "date", "format": "epoch_second"}),
        DataType::DateTimeMilliseconds => json!({"type": "date", "format": "epoch_millis"}),
        DataType::DateTimeNanoseconds => json!({"type": "long"}),
    }
}

/// Elasticsearch and OpenSearch: `PUT _index_template/pidflow` with this body.
pub(crate) fn elasticsearch() -> String {
    let elements = ELEMENTS.iter().map(|e| (e.name.to_owned(), elasticsearch_type(e)));
    let added =
        [("@timestamp", "date"), ("@version", "keyword")].map(|(name, of)| (name.to_owned(), json!({"type": of})));
    let properties: Map<_, _> = added.into_iter().chain(elements).collect();
    let body = json!({
        "index_patterns": ["pidflow-*"],
        "template": {"mappings": {"dynamic": false, "properties": properties}},
        "_meta": {"description": GENERATED},
    });
    format!("{body:#}\n")
}
