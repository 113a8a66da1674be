//! Converts flow records to JSON lines, without an allocation per record.

use std::io::Write;

use pidflow_schema::{DataType, Element, FlowRecord, Group, Value};

use crate::template::Template;
use crate::time::Iso8601;

use super::escape::put_string;
use super::plain::{put_ipv4, put_mac, put_number};

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// The keys of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonKeys {
    /// nProbe's names: `IPV4_SRC_ADDR`.
    #[default]
    Names,
    /// nProbe's numbers: `8`, `57640`, and `PEN.id` where NetFlow v9 has no type.
    Numbers,
    /// IPFIX's numbers: `8`, and `PEN.id` (`35632.168`) for all elements that are not IANA's.
    PenNumbers,
}

/// One element with its encoded key, `"KEY":`.
struct Member {
    key: Box<[u8]>,
    data_type: DataType,
    /// Which records can have it. Most records lack most elements, and the set of groups is cheaper than asking each.
    group: Group,
    read: fn(&FlowRecord) -> Option<Value<'_>>,
}

/// Converts flow records to JSON lines. Unknown values are left out of the object.
pub struct JsonEncoder {
    members: Vec<Member>,
    timestamp: bool,
}

impl JsonEncoder {
    /// `own_pen` is the private enterprise number in the keys of pidflow's own elements.
    #[must_use]
    pub fn new(template: &Template, keys: JsonKeys, own_pen: u32) -> Self {
        let members = template.elements().iter().map(|e| Member::new(e, keys, own_pen)).collect();
        Self { members, timestamp: false }
    }

    /// Each object begins with `@timestamp` (the flow's end, ISO 8601) and `@version` (`"1"`), as Logstash writes them;
    /// users of Elasticsearch and Kibana search by them.
    #[must_use]
    pub fn with_timestamp(self) -> Self {
        Self { timestamp: true, ..self }
    }

    /// Appends one line per record, including its line feed.
    pub fn encode(&self, records: &[FlowRecord], out: &mut Vec<u8>) {
        for record in records {
            self.line(record, out);
        }
    }

    fn line(&self, record: &FlowRecord, out: &mut Vec<u8>) {
        let start = out.len();
        if self.timestamp {
            // Writing to a `Vec` cannot fail.
            let _ = write!(out, ",\"@timestamp\":\"{}\",\"@version\":\"1\"", Iso8601(record.flow.last_ns));
        }
        let groups = record.groups();
        for member in self.members.iter().filter(|m| groups.contains(m.group)) {
            member.put(record, out);
        }
        match out.get_mut(start) {
            Some(first_comma) => *first_comma = b'{',
            None => out.push(b'{'),
        }
        out.extend_from_slice(b"}\n");
    }
}

impl Member {
    fn new(e: &Element, keys: JsonKeys, own_pen: u32) -> Self {
        let key = match keys {
            JsonKeys::Names => format!("\"{}\":", e.name),
            JsonKeys::Numbers => format!("\"{}\":", e.numeric_key(own_pen)),
            JsonKeys::PenNumbers => format!("\"{}\":", e.dotted_key(own_pen)),
        };
        Self { key: key.into_bytes().into(), data_type: e.data_type, group: e.group, read: e.read }
    }

    /// Appends `,"KEY":value`, or nothing.
    fn put(&self, record: &FlowRecord, out: &mut Vec<u8>) {
        let Some(value) = (self.read)(record) else { return };
        out.push(b',');
        out.extend_from_slice(&self.key);
        put_value(value, self.data_type, out);
    }
}

/// Appends a value of that type: a number or a string in quotes.
pub(crate) fn put_value(value: Value<'_>, data_type: DataType, out: &mut Vec<u8>) {
    match value {
        Value::Unsigned(v) => put_number(v, out),
        Value::Signed(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        Value::Time(ns) => put_number(in_unit(ns, data_type), out),
        Value::Text(t) => put_string(&t, out),
        Value::Ipv4(a) => quoted(out, |out| put_ipv4(a, out)),
        // Writing to a `Vec` cannot fail.
        Value::Ipv6(a) => drop(write!(out, "\"{a}\"")),
        Value::Mac(a) => quoted(out, |out| put_mac(a, out)),
    }
}

/// A time in the unit of the data type.
const fn in_unit(ns: u64, data_type: DataType) -> u64 {
    match data_type {
        DataType::DateTimeSeconds => ns / SECOND_NS,
        DataType::DateTimeMilliseconds => ns / MILLISECOND_NS,
        _ => ns,
    }
}

fn quoted(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    put(out);
    out.push(b'"');
}
