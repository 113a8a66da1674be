//! Values of elements as JSON: numbers, and texts for addresses. Times are nanoseconds since the epoch.

use pidflow_schema::{DataType, Element, FlowRecord, Value};
use serde_json::Value as Json;

use crate::numbers;

/// The value as JSON.
pub(crate) fn to_json(value: &Value<'_>) -> Json {
    match value {
        Value::Unsigned(n) | Value::Time(n) => Json::from(*n),
        Value::Signed(n) => Json::from(*n),
        Value::Text(text) => Json::from(&**text),
        Value::Ipv4(address) => Json::from(address.to_string()),
        Value::Ipv6(address) => Json::from(address.to_string()),
        Value::Mac(mac) => Json::from(mac.map(|byte| format!("{byte:02x}")).join(":")),
    }
}

/// Writes a value that was stored as JSON into the record; false: it is not a value of this element.
pub(crate) fn write(record: &mut FlowRecord, element: &Element, json: &Json) -> bool {
    let value = match element.data_type {
        DataType::String => json.as_str().map(Value::text),
        DataType::Ipv4Address => json.as_str().and_then(|text| text.parse().ok()).map(Value::Ipv4),
        DataType::Ipv6Address => json.as_str().and_then(|text| text.parse().ok()).map(Value::Ipv6),
        DataType::MacAddress => json.as_str().and_then(mac).map(Value::Mac),
        DataType::Signed64 => json.as_i64().map(Value::Signed),
        _ => json.as_u64().map(|n| number(element, n)),
    };
    write_value(record, element, value.as_ref())
}

/// Writes a number; false: it is not a value of this element.
pub(crate) fn write_number(record: &mut FlowRecord, element: &Element, n: u64) -> bool {
    write_value(record, element, Some(&number(element, n)))
}

fn write_value(record: &mut FlowRecord, element: &Element, value: Option<&Value<'_>>) -> bool {
    let written = element.write.zip(value).and_then(|(write, value)| write(record, value));
    written.is_some()
}

const fn number(element: &Element, n: u64) -> Value<'static> {
    match element.data_type {
        DataType::DateTimeSeconds | DataType::DateTimeMilliseconds | DataType::DateTimeNanoseconds => Value::Time(n),
        DataType::Signed64 => Value::Signed(numbers::signed(n)),
        _ => Value::Unsigned(n),
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
