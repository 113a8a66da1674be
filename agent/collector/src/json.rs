//! Lines of JSON, as pidflow writes them: an object for each record, with the names of elements as keys.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast::RandomState;
use pidflow_schema::{DataType, ELEMENTS, Element, Value};
use serde_json::{Map, Value as Json};

use crate::counters::{Counters, Event, Protocol};
use crate::draft::{Draft, Origin};
use crate::header::Header;
use crate::known::Known;
use crate::sampling::Samplers;

/// Times in seconds that say less than another element of the same line.
const COARSE: [(&str, &str); 2] =
    [("FIRST_SWITCHED", "FLOW_START_MILLISECONDS"), ("LAST_SWITCHED", "FLOW_END_MILLISECONDS")];

/// Reads lines.
#[derive(Debug)]
pub(crate) struct Lines {
    /// With their places in the table, in whose order they depend on each other.
    by_name: HashMap<&'static str, (usize, &'static Element), RandomState>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { by_name: ELEMENTS.iter().enumerate().map(|(place, e)| (e.name, (place, e))).collect() }
    }
}

impl Lines {
    /// The record of a line. An error says why there is none.
    pub(crate) fn read(
        &self,
        line: &[u8],
        exporter: SocketAddr,
        now_ns: u64,
        (known, counters): (&Known, &mut Counters),
    ) -> Result<pidflow_schema::FlowRecord, Event> {
        let object: Map<String, Json> = serde_json::from_slice(line).map_err(|_| Event::BadRecord)?;
        let mut draft = Draft::new(known, counters);
        for (element, json) in self.elements(&object, &mut draft) {
            if !is_coarse(element, &object) {
                put(element, json, &mut draft);
            }
        }
        let header = Header { protocol: Protocol::Json, export_ns: now_ns, uptime_ms: None, now_ns };
        let samplers = Samplers::default();
        let origin = Origin { exporter, domain: 0, header, boot_ms: None, samplers: &samplers };
        draft.keep_times();
        draft.finish(&origin, object.contains_key("FLOW_END_REASON")).ok_or(Event::NotAFlow)
    }

    /// The elements of a line, in the order of the table.
    fn elements<'o>(&self, object: &'o Map<String, Json>, draft: &mut Draft<'_>) -> Vec<(&'static Element, &'o Json)> {
        let known = object.iter().filter_map(|(name, json)| {
            let found = self.by_name.get(name.as_str());
            if found.is_none() {
                draft.event(Event::UnknownKey);
            }
            found.map(|(place, element)| (*place, (*element, json)))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_unstable_by_key(|(place, _)| *place);
        known.into_iter().map(|(_, element)| element).collect()
    }
}

fn is_coarse(element: &Element, object: &Map<String, Json>) -> bool {
    COARSE.iter().any(|(coarse, fine)| *coarse == element.name && object.contains_key(*fine))
}

fn put(element: &Element, json: &Json, draft: &mut Draft<'_>) {
    let Some(write) = element.write else { return };
    if value(element.data_type, json).and_then(|value| write(&mut draft.record, &value)).is_none() {
        draft.event(Event::BadValue);
    }
}

/// The value of an element; none: it has another type.
fn value(data_type: DataType, json: &Json) -> Option<Value<'_>> {
    const MILLISECOND_NS: u64 = 1_000_000;
    match data_type {
        DataType::String => json.as_str().map(Value::text),
        DataType::Ipv4Address => json.as_str()?.parse().ok().map(Value::Ipv4),
        DataType::Ipv6Address => json.as_str()?.parse().ok().map(Value::Ipv6),
        DataType::MacAddress => mac(json.as_str()?).map(Value::Mac),
        DataType::Signed64 => json.as_i64().map(Value::Signed),
        DataType::DateTimeSeconds => json.as_u64()?.checked_mul(1000 * MILLISECOND_NS).map(Value::Time),
        DataType::DateTimeMilliseconds => json.as_u64()?.checked_mul(MILLISECOND_NS).map(Value::Time),
        DataType::DateTimeNanoseconds => json.as_u64().map(Value::Time),
        DataType::Unsigned8 | DataType::Unsigned16 | DataType::Unsigned32 | DataType::Unsigned64 => {
            json.as_u64().map(Value::Unsigned)
        }
    }
}

/// Six pairs of hexadecimal digits, with colons between them.
fn mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    octets.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
