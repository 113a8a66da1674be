//! What collectors need to be told about elements that are not IANA's, each file a walk over the element table.

use pidflow_schema::{DataType, Element, Enterprise, Length};

use crate::text::{GENERATED, line, lower, pen, private};
use crate::{glued, lua, netobserv, stores};

/// First free index in goflow2's protobuf message.
const GOFLOW2_INDEX: usize = 1000;

/// File names and contents.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("pmacct-ipfix.lst", pmacct(|e| pen(e).map(|p| format!("{p}:{}", e.id)), |_| "vlen".into())),
        ("pmacct-netflow9.lst", pmacct(|e| e.v9.map(|n| n.to_string()), |e| e.v9_length.to_string())),
        ("goflow2.yaml", goflow2()),
        ("telegraf-pen.csv", telegraf()),
        ("logstash-ipfix.yaml", logstash_ipfix()),
        ("logstash-netflow9.yaml", logstash_netflow9()),
        ("wireshark.lua", lua::script()),
        ("clickhouse.sql", stores::clickhouse()),
        ("clickhouse-glued.sql", glued::clickhouse()),
        ("elasticsearch.json", stores::elasticsearch()),
        ("netobserv.yaml", netobserv::pipeline()),
    ]
}

/// The type of a number.
const fn whole(e: &Element) -> &'static str {
    match e.data_type {
        DataType::Signed64 => "int",
        _ => "uint",
    }
}

fn is_text(e: &Element) -> bool {
    e.data_type == DataType::String
}

fn octets(e: &Element) -> u16 {
    match e.length {
        Length::Fixed(n) => n,
        Length::Variable { v9 } => v9,
    }
}

/// pmacct: `aggregate_primitives: FILE`, and the names in `aggregate`.
fn pmacct(number: impl Fn(&Element) -> Option<String>, text_length: impl Fn(&Element) -> String) -> String {
    let mut out = format!("! {GENERATED}\n");
    for e in private() {
        let Some(number) = number(e) else { continue };
        let (length, kind) = if is_text(e) { (text_length(e), "str") } else { (octets(e).to_string(), "u_int") };
        line(&mut out, format_args!("name={} field_type={number} len={length} semantics={kind}", lower(e)));
    }
    out
}

/// goflow2: `-mapping goflow2.yaml -format json`.
fn goflow2() -> String {
    let mut out = format!("# {GENERATED}\nformatter:\n  fields:\n");
    for builtin in [
        "time_flow_start_ns",
        "time_flow_end_ns",
        "src_addr",
        "dst_addr",
        "src_port",
        "dst_port",
        "proto",
        "bytes",
        "packets",
    ] {
        line(&mut out, format_args!("    - {builtin}"));
    }
    private().for_each(|e| line(&mut out, format_args!("    - {}", lower(e))));
    out += "  protobuf:\n";
    for (i, e) in private().enumerate() {
        let kind = if is_text(e) { "string" } else { "varint" };
        line(
            &mut out,
            format_args!("    - name: {}\n      index: {}\n      type: {kind}", lower(e), GOFLOW2_INDEX + i),
        );
    }
    out += "ipfix:\n  mapping:\n";
    for (e, pen) in private().filter_map(|e| Some((e, pen(e)?))) {
        let (id, name) = (e.id, lower(e));
        line(
            &mut out,
            format_args!("    - field: {id}\n      penprovided: true\n      pen: {pen}\n      destination: {name}"),
        );
    }
    out += "netflowv9:\n  mapping:\n";
    for (e, number) in private().filter_map(|e| Some((e, e.v9?))) {
        line(&mut out, format_args!("    - field: {number}\n      destination: {}", lower(e)));
    }
    out
}

/// Telegraf: `private_enterprise_number_files = ["telegraf-pen.csv"]` of `inputs.netflow`.
fn telegraf() -> String {
    let mut out = format!("# {GENERATED}\n# PEN.ID, name, data type\n");
    for (e, pen) in private().filter_map(|e| Some((e, pen(e)?))) {
        let kind = if is_text(e) { "string" } else { whole(e) };
        line(&mut out, format_args!("{pen}.{},{},{kind}", e.id, lower(e)));
    }
    out
}

/// Logstash: `ipfix_definitions` of the netflow codec.
fn logstash_ipfix() -> String {
    let mut out = format!("# {GENERATED}\n---\n");
    for enterprise in [Enterprise::Ntop, Enterprise::Pidflow] {
        let number = enterprise.number(Enterprise::DEFAULT_OWN_PEN).unwrap_or(0);
        line(&mut out, format_args!("{number}:"));
        for e in private().filter(|e| e.enterprise == enterprise) {
            let kind = if is_text(e) { "string".to_owned() } else { format!("{}{}", whole(e), octets(e) * 8) };
            line(&mut out, format_args!("  {}:\n  - :{kind}\n  - :{}", e.id, lower(e)));
        }
    }
    out
}

/// Logstash: `netflow_definitions` of the netflow codec.
fn logstash_netflow9() -> String {
    let mut out = format!("# {GENERATED}\n---\n");
    for (e, number) in private().filter_map(|e| Some((e, e.v9?))) {
        let kind = if is_text(e) { ":string".to_owned() } else { e.v9_length.to_string() };
        line(&mut out, format_args!("{number}:\n- {kind}\n- :{}", lower(e)));
    }
    out
}
