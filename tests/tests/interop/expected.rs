//! The values that a receiver should show, from the JSON of the same records.

use std::net::{Ipv4Addr, Ipv6Addr};

use pidflow_exporters::json::{JsonEncoder, JsonKeys};
use pidflow_exporters::{Template, WireVersion};
use pidflow_schema::{DataType, ELEMENTS, Element, Enterprise, FlowRecord, Group, GroupSet};
use serde_json::{Map, Value};

/// One record as the JSON exporter writes it.
pub(crate) type Object = Map<String, Value>;

/// The records as JSON objects with every element that is known.
pub(crate) fn objects(records: &[FlowRecord]) -> Vec<Object> {
    let mut out = Vec::new();
    JsonEncoder::new(&Template::default(), JsonKeys::Names, Enterprise::DEFAULT_OWN_PEN).encode(records, &mut out);
    out.split_inclusive(|b| *b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The groups of which a record has elements.
pub(crate) fn groups(object: &Object) -> GroupSet {
    let known = ELEMENTS.iter().filter(|e| object.contains_key(e.name));
    known.fold(GroupSet::EMPTY.with(Group::Always, true), |set, e| set.with(e.group, true))
}

/// The bytes that are sent.
pub(crate) fn octets(e: &Element, object: &Object, version: WireVersion) -> Vec<u8> {
    let shown = object.get(e.name).and_then(Value::as_str);
    match e.data_type {
        DataType::Ipv4Address => shown.unwrap().parse::<Ipv4Addr>().unwrap().octets().to_vec(),
        DataType::Ipv6Address => shown.unwrap().parse::<Ipv6Addr>().unwrap().octets().to_vec(),
        DataType::MacAddress => shown.unwrap().split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect(),
        DataType::String => {
            let mut octets = text(e, object, version).into_bytes();
            if version == WireVersion::Netflow9 {
                octets.resize(usize::from(e.v9_length), 0);
            }
            octets
        }
        _ => {
            let octets = if version == WireVersion::Ipfix { e.data_type.octets().unwrap() } else { e.v9_length };
            number(e, object, version).to_be_bytes()[8 - usize::from(octets)..].to_vec()
        }
    }
}

/// A number as it is sent: 0 when not known, the largest possible when too large.
pub(crate) fn number(e: &Element, object: &Object, version: WireVersion) -> u64 {
    let octets = if version == WireVersion::Ipfix { e.data_type.octets().unwrap() } else { e.v9_length };
    let largest = if octets >= 8 { u64::MAX } else { (1 << (8 * octets)) - 1 };
    object.get(e.name).map_or(0, |v| v.as_u64().unwrap()).min(largest)
}

/// A text as it is sent: empty when not known, in NetFlow v9 cut at a character, a zero after it.
pub(crate) fn text(e: &Element, object: &Object, version: WireVersion) -> String {
    let mut text = object.get(e.name).map_or("", |v| v.as_str().unwrap()).to_owned();
    while version == WireVersion::Netflow9 && text.len() >= usize::from(e.v9_length) {
        text.pop();
    }
    text
}

/// Bytes in hexadecimal, as tshark shows elements that it has no name for.
pub(crate) fn hex(e: &Element, object: &Object, version: WireVersion) -> String {
    octets(e, object, version).iter().map(|b| format!("{b:02x}")).collect()
}
