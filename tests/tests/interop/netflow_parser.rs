//! The crate `netflow_parser` as a decoder: every byte of every field.

use netflow_parser::variable_versions::field_value::FieldValue;
use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{NetflowPacket, NetflowParser};
use pidflow_exporters::{Template, WireVersion};
use pidflow_schema::Element;

use crate::expected::{self, Object};

/// The bytes of each field of one record.
type Record = Vec<Vec<u8>>;

/// One message.
pub(crate) struct Decoded {
    /// Data records that are not options records.
    pub(crate) records: Vec<Record>,
    /// As in the header.
    pub(crate) sequence: u32,
    /// When the system uptime was 0, milliseconds since the epoch; NetFlow v9 only.
    boot_ms: u64,
}

/// All messages of a session.
pub(crate) fn decode(messages: &[Vec<u8>]) -> Vec<Decoded> {
    let mut parser = NetflowParser::default();
    let one = |message: &Vec<u8>| {
        let result = parser.parse_bytes(message);
        assert!(result.error.is_none(), "{:?}", result.error);
        assert_eq!(result.packets.len(), 1);
        match &result.packets[0] {
            NetflowPacket::IPFix(packet) => of_ipfix(packet),
            NetflowPacket::V9(packet) => of_v9(packet),
            other => panic!("{other:?}"),
        }
    };
    messages.iter().map(one).collect()
}

fn of_ipfix(packet: &ipfix::IPFix) -> Decoded {
    let mut records = Vec::new();
    for set in &packet.flowsets {
        if let ipfix::FlowSetBody::Data(data) = &set.body {
            records.extend(data.fields.iter().map(|fields| fields.iter().map(|(_, v)| octets(v)).collect::<Record>()));
        }
    }
    Decoded { records, sequence: packet.header.sequence_number, boot_ms: 0 }
}

fn of_v9(packet: &v9::V9) -> Decoded {
    let mut records = Vec::new();
    for set in &packet.flowsets {
        if let v9::FlowSetBody::Data(data) = &set.body {
            records.extend(data.fields.iter().map(|fields| fields.iter().map(|(_, v)| octets(v)).collect::<Record>()));
        }
    }
    let boot_ms = u64::from(packet.header.unix_secs) * 1000 - u64::from(packet.header.sys_up_time);
    Decoded { records, sequence: packet.header.sequence_number, boot_ms }
}

fn octets(value: &FieldValue) -> Vec<u8> {
    if let FieldValue::String(text) = value {
        return text.value.clone().into_bytes();
    }
    let mut out = Vec::new();
    value.write_be_bytes(&mut out).unwrap();
    out
}

/// The expected bytes of the record's fields, from the JSON.
pub(crate) fn wanted(object: &Object, version: WireVersion, message: &Decoded) -> Record {
    let (template, groups) = (Template::for_collectors(), expected::groups(object));
    let present = template.elements().iter().filter(|e| groups.contains(e.group));
    present.filter_map(|e| field(e, object, version, message.boot_ms)).collect()
}

fn field(e: &Element, object: &Object, version: WireVersion, boot_ms: u64) -> Option<Vec<u8>> {
    if version == WireVersion::Netflow9 {
        e.v9?;
        let exact = match e.name {
            "FIRST_SWITCHED" => Some("FLOW_START_MILLISECONDS"),
            "LAST_SWITCHED" => Some("FLOW_END_MILLISECONDS"),
            _ => None,
        };
        if let Some(exact) = exact {
            // The uptime wraps after 49.7 days, in the header too.
            return Some((object[exact].as_u64().unwrap().wrapping_sub(boot_ms) as u32).to_be_bytes().to_vec());
        }
    }
    Some(expected::octets(e, object, version))
}

/// Asserts that the records are equal, except zeros at a field's end, which the parser removes from strings.
pub(crate) fn assert_equal(got: &Record, wanted: &Record, object: &Object) {
    let trimmed = |record: &Record| -> Vec<Vec<u8>> { record.iter().map(|f| trim(f)).collect() };
    assert_eq!(trimmed(got), trimmed(wanted), "{object:?}");
}

fn trim(field: &[u8]) -> Vec<u8> {
    let end = field.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    field[..end].to_vec()
}
