//! ClickHouse: the tables and views that put together what several hosts saw of one flow.

use pidflow_schema::{DataType, by_name};

use crate::text::GENERATED;

const TEMPLATE: &str = include_str!("clickhouse-glued.sql");

/// What is kept of an end, from the agent that is at this end: elements without `SRC_` and `DST_`.
const OF_AN_END: [&str; 19] = [
    "PROC_PID",
    "PROC_START_TIME",
    "PROC_NAME",
    "PROC_USER_NAME",
    "PROC_ATTRIBUTION",
    "PROC_EXECUTABLE",
    "PROC_CMDLINE",
    "PROC_ANCESTORS",
    "PROC_CONTAINER_ID",
    "PROC_UNIT",
    "PROC_PEAK_MEMORY_64",
    "FATHER_PROC_PID",
    "FATHER_PROC_NAME",
    "NETWORK_NAMESPACE",
    "K8S_NAMESPACE",
    "K8S_POD",
    "K8S_CONTAINER",
    "K8S_OWNER_KIND",
    "K8S_OWNER",
];

/// What the tuple of an end begins with: name, type and value. The greatest tuple wins, so the most certain one, and of these the
/// latest.
const BEFORE: [(&str, &str, &str); 6] = [
    ("certainty", "UInt8", "toUInt8(@_certainty)"),
    ("last_ms", "UInt64", "toUInt64(last_ms)"),
    ("observer", "String", "if(@_certainty > 0, seen_by, '')"),
    ("host", "String", "if(@_certainty > 0, ifNull(toString(HOST_NAME), ''), '')"),
    ("address", "String", "coalesce(toString(IPV4_#_ADDR), toString(IPV6_#_ADDR), '')"),
    ("port", "UInt16", "ifNull(L4_#_PORT, 0)"),
];

fn is_text(name: &str) -> bool {
    by_name(&format!("SRC_{name}")).is_some_and(|e| e.data_type == DataType::String)
}

fn types() -> String {
    let before = BEFORE.iter().map(|(name, of, _)| format!("{name} {of}"));
    let elements = OF_AN_END.iter().map(|name| format!("{name} {}", if is_text(name) { "String" } else { "UInt64" }));
    before.chain(elements).collect::<Vec<_>>().join(", ")
}

fn values(end: &str) -> String {
    let before = BEFORE.iter().map(|(_, _, value)| value.replace('@', &end.to_lowercase()).replace('#', end));
    let elements = OF_AN_END.iter().map(|name| match is_text(name) {
        true => format!("ifNull(toString({end}_{name}), '')"),
        false => format!("toUInt64(ifNull({end}_{name}, 0))"),
    });
    before.chain(elements).collect::<Vec<_>>().join(", ")
}

/// The columns of both ends, with the elements' names.
fn columns() -> String {
    let of = |end: &str| {
        let tuple = end.to_lowercase();
        let before = [("observer", "OBSERVER"), ("host", "OBSERVER_HOST"), ("address", "ADDR"), ("port", "PORT")];
        let before = before.map(|(member, name)| format!("    {tuple}.{member} AS {end}_{name},\n"));
        let elements = OF_AN_END.map(|name| match is_text(name) {
            true => format!("    {tuple}.{name} AS {end}_{name},\n"),
            false => format!("    nullIf({tuple}.{name}, 0) AS {end}_{name},\n"),
        });
        before.concat() + &elements.concat()
    };
    (of("SRC") + &of("DST")).trim_end().to_owned()
}

/// Tables and views beside those of `clickhouse.sql`.
pub(crate) fn clickhouse() -> String {
    let parts = [
        ("{END_TYPES}", types()),
        ("{SRC_VALUES}", values("SRC")),
        ("{DST_VALUES}", values("DST")),
        ("{END_COLUMNS}", columns()),
    ];
    let text = parts.into_iter().fold(TEMPLATE.to_owned(), |text, (mark, part)| text.replace(mark, &part));
    format!("-- {GENERATED}\n{text}")
}
