//! Attributes of a flow record: their keys and values come from the element table.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use pidflow_schema::{Flow, FlowRecord, Protocol, Value};

use crate::template::Template;
use crate::time::Iso8601;

/// One attribute of the table.
struct Attribute {
    key: &'static str,
    read: fn(&FlowRecord) -> Option<Value<'_>>,
}

/// The attributes that a record has.
pub(super) struct FlowAttributes(Vec<Attribute>);

impl FlowAttributes {
    pub(super) fn new(template: &Template) -> Self {
        let elements = template.elements().iter();
        Self(elements.filter_map(|e| Some(Attribute { key: e.otel?, read: e.read })).collect())
    }

    /// The attributes of one record.
    pub(super) fn of(&self, record: &FlowRecord) -> Vec<KeyValue> {
        let known = self.0.iter().filter_map(|a| Some(pair(a.key, any((a.read)(record)?))));
        known.chain(network(&record.flow)).collect()
    }
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// An attribute with a text.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Any::StringValue(value.into()))
}

fn any(value: Value<'_>) -> Any {
    match value {
        Value::Signed(v) => Any::IntValue(v),
        Value::Unsigned(v) => Any::IntValue(i64::try_from(v).unwrap_or(i64::MAX)),
        Value::Text(t) => Any::StringValue(t.to_string()),
        Value::Ipv4(a) => Any::StringValue(a.to_string()),
        Value::Ipv6(a) => Any::StringValue(a.to_string()),
        Value::Mac([a, b, c, d, e, f]) => Any::StringValue(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")),
        Value::Time(ns) => Any::StringValue(Iso8601(ns).to_string()),
    }
}

/// Values that the table has as numbers and the conventions as words.
fn network(flow: &Flow) -> impl Iterator<Item = KeyValue> {
    let transport = transport(flow.protocol).map(|t| text("network.transport", t));
    transport.into_iter().chain([text("network.type", family(flow))])
}

/// The address family as a word of the conventions.
pub(super) fn family(flow: &Flow) -> &'static str {
    if flow.source.is_ipv4() { "ipv4" } else { "ipv6" }
}

/// IANA's keyword of the protocol in lower case, which for TCP and UDP is also the word of the conventions.
pub(super) const fn transport(protocol: u8) -> Option<&'static str> {
    match protocol {
        Protocol::ICMP => Some("icmp"),
        Protocol::TCP => Some("tcp"),
        Protocol::UDP => Some("udp"),
        Protocol::ICMPV6 => Some("ipv6-icmp"),
        Protocol::SCTP => Some("sctp"),
        _ => None,
    }
}
