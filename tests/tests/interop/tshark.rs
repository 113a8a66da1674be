//! tshark as a decoder: every field of every record.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use pidflow_exporters::{Template, WireVersion};
use pidflow_schema::{DataType, ELEMENTS, Element, Enterprise};

use crate::expected::{self, Object};
use crate::tools;

/// The highest of ntop's ids that Wireshark 4.0 has a name for.
const LAST_NTOP: u16 = 471;
/// tshark splits `icmpTypeCodeIPv6` into two fields.
const ICMPV6_CODE: &str = "cflow.icmp_ipv6_code";
const SEPARATOR: char = '\u{1}';

/// tshark's fields of one packet, with all their occurrences in order.
pub(crate) type Fields = BTreeMap<String, Vec<String>>;

/// The name of tshark's field for an element.
fn field_of(e: &Element, version: WireVersion) -> String {
    let named = match (e.name, version) {
        ("IPV4_SRC_ADDR", _) => "srcaddr",
        ("IPV4_DST_ADDR", _) => "dstaddr",
        ("IPV6_SRC_ADDR", _) => "srcaddrv6",
        ("IPV6_DST_ADDR", _) => "dstaddrv6",
        ("L4_SRC_PORT", _) => "srcport",
        ("L4_DST_PORT", _) => "dstport",
        ("PROTOCOL", _) => "protocol",
        ("IP_PROTOCOL_VERSION", _) => "ip_version",
        ("OUT_PKTS", WireVersion::Netflow9) => "post_packets",
        ("OUT_BYTES", WireVersion::Netflow9) => "post_octets",
        ("IN_PKTS" | "OUT_PKTS", _) => "packets",
        ("IN_BYTES" | "OUT_BYTES", _) => "octets",
        ("IN_FRAME_BYTES" | "OUT_FRAME_BYTES", _) => "layer2_octet_delta_count",
        ("FIRST_SWITCHED", WireVersion::Netflow9) => "timestart",
        ("LAST_SWITCHED", WireVersion::Netflow9) => "timeend",
        ("FIRST_SWITCHED" | "FLOW_START_MILLISECONDS", _) => "abstimestart",
        ("LAST_SWITCHED" | "FLOW_END_MILLISECONDS", _) => "abstimeend",
        ("TCP_FLAGS", _) => "tcpflags",
        ("SRC_TOS", _) => "tos",
        ("INPUT_SNMP", _) => "inputint",
        ("SRC_VLAN", _) => "vlanid",
        ("ICMP_TYPE", _) => "icmp_type_code_ipv4",
        ("IPV6_ICMP_TYPE", _) => "icmp_ipv6_type",
        ("FLOW_END_REASON", _) => "flow_end_reason",
        ("BIFLOW_DIRECTION", _) => "biflow_direction",
        ("IN_SRC_MAC", _) => "srcmac",
        ("OUT_DST_MAC", _) => "dstmac",
        ("INTERFACE_NAME", _) => "if_name",
        ("SERVER_NW_LATENCY_MS", _) => "pie.server_nw_latency_ms",
        ("SRC_PROC_PID", _) => "pie.ntop.src_proc_id",
        // Wireshark's names of these elements do not follow the pattern of ntop's others.
        ("UPSTREAM_TUNNEL_ID", _) => "pie.ntop.tunnel_id",
        ("DOWNSTREAM_TUNNEL_ID", _) => "pie.ntop.downstram_tunnel_id",
        // Wireshark has the former name of this element.
        ("TLS_SERVER_NAME", _) => "pie.ntop.ssl_server_name",
        _ => return unlisted(e, version),
    };
    format!("cflow.{named}")
}

fn unlisted(e: &Element, version: WireVersion) -> String {
    let ntop = e.enterprise == Enterprise::Ntop && e.id > 100 && e.id <= LAST_NTOP;
    match version {
        _ if ntop => format!("cflow.pie.ntop.{}", e.name.to_ascii_lowercase()),
        WireVersion::Ipfix => "cflow.enterprise_private_entry".into(),
        WireVersion::Netflow9 => "cflow.unknown_field_type".into(),
    }
}

/// How tshark writes the value.
fn shown(e: &Element, object: &Object, version: WireVersion) -> String {
    let name = field_of(e, version);
    match name.as_str() {
        "cflow.enterprise_private_entry" | "cflow.unknown_field_type" => expected::hex(e, object, version),
        "cflow.timestart" | "cflow.timeend" => uptime(e, object),
        "cflow.tcpflags" if version == WireVersion::Ipfix => {
            format!("{:#06x}", expected::number(e, object, version))
        }
        "cflow.tcpflags" | "cflow.tos" => format!("{:#04x}", expected::number(e, object, version)),
        "cflow.icmp_type_code_ipv4" => format!("{:#06x}", expected::number(e, object, version)),
        "cflow.icmp_ipv6_type" => (expected::number(e, object, version) >> 8).to_string(),
        _ => plain(e, object, version),
    }
}

fn plain(e: &Element, object: &Object, version: WireVersion) -> String {
    match e.data_type {
        DataType::String => ascii(&expected::text(e, object, version)),
        DataType::Ipv4Address | DataType::Ipv6Address | DataType::MacAddress => {
            object[e.name].as_str().unwrap().to_owned()
        }
        DataType::DateTimeSeconds => moment(expected::number(e, object, WireVersion::Ipfix) * 1000),
        DataType::DateTimeMilliseconds => moment(expected::number(e, object, version)),
        _ => expected::number(e, object, version).to_string(),
    }
}

/// Wireshark's NetFlow dissector decodes strings as ASCII and replaces every other byte.
fn ascii(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii() { char::from(b) } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn moment(ms: u64) -> String {
    Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap().strftime("%b %e, %Y %H:%M:%S.%9f UTC").to_string()
}

/// The start of the generated flows, milliseconds since the epoch.
const NEW_YEAR_MS: u64 = 1_767_225_600_000;

/// Seconds since the system started, which is one day before the first flow.
fn uptime(e: &Element, object: &Object) -> String {
    let exact = if e.name == "FIRST_SWITCHED" { "FLOW_START_MILLISECONDS" } else { "FLOW_END_MILLISECONDS" };
    let ms = object[exact].as_u64().unwrap() - NEW_YEAR_MS + 86_400_000;
    format!("{}.{:09}", ms / 1000, ms % 1000 * 1_000_000)
}

/// What tshark should show for a record.
pub(crate) fn wanted(object: &Object, version: WireVersion) -> Fields {
    let mut fields = Fields::new();
    add(&mut fields, object, version, |_| true);
    fields
}

/// What tshark should show for a message of these records. NetFlow v9's uptimes are left out, because they depend on
/// the header.
pub(crate) fn wanted_of_message(objects: &[Object], version: WireVersion) -> Fields {
    let mut fields = Fields::new();
    for object in objects {
        add(&mut fields, object, version, |name| !UPTIMES.contains(&name));
    }
    fields
}

/// Fields of NetFlow v9's times.
pub(crate) const UPTIMES: [&str; 2] = ["cflow.timestart", "cflow.timeend"];

fn add(fields: &mut Fields, object: &Object, version: WireVersion, asked: fn(&str) -> bool) {
    let (template, groups) = (Template::for_collectors(), expected::groups(object));
    let sent = |e: &&&Element| version == WireVersion::Ipfix || e.v9.is_some();
    for e in template.elements().iter().filter(|e| groups.contains(e.group)).filter(sent) {
        let name = field_of(e, version);
        // tshark shows nothing for an unnamed element of no bytes.
        let value = if asked(&name) { shown(e, object, version) } else { String::new() };
        if !value.is_empty() {
            fields.entry(name).or_default().push(value);
        }
        if e.name == "IPV6_ICMP_TYPE" {
            let code = expected::number(e, object, version) & 0xff;
            fields.entry(ICMPV6_CODE.into()).or_default().push(code.to_string());
        }
    }
}

/// The fields that tshark shows, packet by packet.
pub(crate) fn decode(pcap: &Path, version: WireVersion) -> Vec<Fields> {
    let mut names: Vec<_> = ELEMENTS.iter().map(|e| field_of(e, version)).collect();
    names.push(ICMPV6_CODE.into());
    names.sort();
    names.dedup();
    let mut command = Command::new("tshark");
    command.env("TZ", "UTC").arg("-r").arg(pcap).args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
    command.arg("-E").arg(format!("aggregator={SEPARATOR}"));
    for name in &names {
        command.args(["-e", name]);
    }
    let out = tools::text(&command.output().unwrap());
    out.lines().map(|line| fields(line, &names)).collect()
}

fn fields(line: &str, names: &[String]) -> Fields {
    let values = line.split('\t').zip(names).filter(|(v, _)| !v.is_empty());
    values.map(|(v, n)| (n.clone(), v.split(SEPARATOR).map(str::to_owned).collect())).collect()
}

/// The script that is shipped for Wireshark.
const SCRIPT: &str = concat!("lua_script:", env!("CARGO_MANIFEST_DIR"), "/../exporters/mappings/wireshark.lua");

/// All values of one field, which may be one of the shipped script.
pub(crate) fn field(pcap: &Path, name: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-X", SCRIPT]);
    command.arg("-r").arg(pcap).args(["-T", "fields", "-e", name]);
    let out = tools::text(&command.output().unwrap());
    out.split(['\n', ',']).filter(|v| !v.is_empty()).map(str::to_owned).collect()
}

/// Severities of expert items, Warning or worse (`-Y _ws.expert` finds none: they appear when a field of theirs is asked for).
pub(crate) fn warnings(pcap: &Path) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(pcap).args(["-T", "fields", "-e", "_ws.expert.severity", "-e", "_ws.expert.message"]);
    let out = tools::text(&command.output().unwrap());
    out.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect()
}
