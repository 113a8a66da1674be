//! What the wire should hold, derived from the table without the encoders.

use pidflow_schema::{DataType, Element, FlowRecord, Value};

/// Octets of `e` in `record` as RFC 7011 section 6.1 has them; text without length or padding.
pub(crate) fn octets(e: &Element, record: &FlowRecord) -> Vec<u8> {
    match (e.read)(record) {
        Some(Value::Unsigned(v)) => number(v, e),
        Some(Value::Signed(v)) => v.to_be_bytes().to_vec(),
        Some(Value::Text(t)) => t.as_bytes().to_vec(),
        Some(Value::Ipv4(a)) => a.octets().to_vec(),
        Some(Value::Ipv6(a)) => a.octets().to_vec(),
        Some(Value::Mac(a)) => a.to_vec(),
        Some(Value::Time(ns)) if e.data_type == DataType::DateTimeSeconds => {
            ((ns / 1_000_000_000) as u32).to_be_bytes().to_vec()
        }
        Some(Value::Time(ns)) => (ns / 1_000_000).to_be_bytes().to_vec(),
        None => vec![0; usize::from(e.data_type.octets().unwrap_or(0))],
    }
}

fn number(v: u64, e: &Element) -> Vec<u8> {
    let width = u32::from(e.data_type.octets().unwrap());
    let max = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
    v.min(max).to_be_bytes()[8 - width as usize..].to_vec()
}
