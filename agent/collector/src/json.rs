//! Objects of JSON, as pidflow and nProbe write them: one for each record, with the names or numbers of elements as keys.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pidflow_schema::{DataType, ELEMENTS, Element, Enterprise, FlowRecord, Value};
use serde_json::{Map, Value as Json};

use crate::counters::{Counters, Event};
use crate::draft::{Draft, Origin};
use crate::known::Known;

/// Times in seconds that say less than another element of the same object.
const COARSE: [(&str, &str); 2] =
    [("FIRST_SWITCHED", "FLOW_START_MILLISECONDS"), ("LAST_SWITCHED", "FLOW_END_MILLISECONDS")];

/// nProbe's numbers of [`COARSE`], which are times since the epoch here, and since the start in NetFlow v9.
const COARSE_NUMBERS: [(&str, &str); 2] = [("22", "FIRST_SWITCHED"), ("21", "LAST_SWITCHED")];
/// The addresses of source and destination, without which there is no flow.
const ADDRESSES: [[&str; 2]; 2] = [["IPV4_SRC_ADDR", "IPV6_SRC_ADDR"], ["IPV4_DST_ADDR", "IPV6_DST_ADDR"]];
/// Element tcpControlBits, which has the flags of both directions.
const TCP_FLAGS: &str = "TCP_FLAGS";
/// What has them apart.
const DIRECTED_FLAGS: [&str; 2] = ["CLIENT_TCP_FLAGS", "SERVER_TCP_FLAGS"];

/// Reads objects.
#[derive(Debug)]
pub(crate) struct Objects {
    /// By name, NetFlow v9 type (`57640`), and enterprise and element (`35632.168`), with their places in the table, in whose order
    /// they depend on each other.
    by_key: HashMap<Box<str>, (usize, &'static Element), RandomState>,
}

/// An element, its place in the table, and its value.
type Member<'o> = (usize, &'static Element, &'o Json);

impl Objects {
    /// `own_pen` is the enterprise number of pidflow's own elements.
    pub(crate) fn new(own_pen: u32) -> Self {
        let mut by_key: HashMap<Box<str>, _, RandomState> = HashMap::default();
        let all = || ELEMENTS.iter().enumerate();
        // ntopng takes a number for ntop's if IANA has none.
        let ntops =
            all().filter(|(_, e)| e.enterprise == Enterprise::Ntop).map(|found| (found.1.id.to_string(), found));
        let dotted = all().map(|found| (found.1.dotted_key(own_pen), found));
        let numbers = all().map(|found| (found.1.numeric_key(own_pen), found));
        let names = all().flat_map(|found| {
            let names = [found.1.name].into_iter().chain(found.1.aliases.iter().copied());
            names.map(move |name| (name.to_owned(), found))
        });
        let keys = ntops.chain(dotted).chain(numbers).chain(names);
        by_key.extend(keys.map(|(key, found)| (key.into_boxed_str(), found)));
        for (number, name) in COARSE_NUMBERS {
            by_key.extend(by_key.get(name).copied().map(|found| (number.into(), found)));
        }
        Self { by_key }
    }

    /// The record of a line. An error says why there is none.
    pub(crate) fn line(
        &self,
        line: &[u8],
        origin: &Origin<'_>,
        to: (&Known, &mut Counters),
    ) -> Result<FlowRecord, Event> {
        let object = serde_json::from_slice(line).map_err(|_| Event::BadRecord)?;
        self.record(&object, origin, to)
    }

    /// The record of an object. An error says why there is none.
    pub(crate) fn record(
        &self,
        object: &Map<String, Json>,
        origin: &Origin<'_>,
        (known, counters): (&Known, &mut Counters),
    ) -> Result<FlowRecord, Event> {
        let mut draft = Draft::new(known, counters);
        let members = self.members(object, &mut draft);
        let has = |name: &str| members.iter().any(|(_, element, _)| element.name == name);
        if !ADDRESSES.iter().all(|names| names.iter().any(|name| has(name))) {
            return Err(Event::NotAFlow);
        }
        // Only pidflow leaves out what it does not know.
        let is_pidflow = members.iter().any(|(_, element, _)| element.enterprise == Enterprise::Pidflow);
        for (place, element, json) in &members {
            if COARSE.iter().any(|(coarse, fine)| *coarse == element.name && has(fine)) {
                continue;
            }
            if element.name == TCP_FLAGS && !DIRECTED_FLAGS.iter().any(|name| has(name)) {
                json.as_u64().into_iter().for_each(|flags| draft.put_flags(flags));
            } else if known.zero_waits(*place, is_pidflow) && is_nothing(json) {
                draft.put_zero(*place);
            } else {
                put(element, json, &mut draft);
            }
        }
        draft.keep_times();
        draft.finish(origin, has("FLOW_END_REASON")).ok_or(Event::NotAFlow)
    }

    /// The elements of an object, in the order of the table.
    fn members<'o>(&self, object: &'o Map<String, Json>, draft: &mut Draft<'_>) -> Vec<Member<'o>> {
        let known = object.iter().filter_map(|(key, json)| {
            let found = self.by_key.get(key.as_str());
            // Those of the time in pidflow's objects for Elasticsearch and in nProbe's.
            if found.is_none() && !key.starts_with('@') {
                draft.event(Event::UnknownKey);
            }
            found.map(|(place, element)| (*place, *element, json))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_unstable_by_key(|(place, _, _)| *place);
        known.dedup_by_key(|(place, _, _)| *place);
        known
    }
}

/// Whether it is a zero, an empty text, or the address of nothing.
fn is_nothing(json: &Json) -> bool {
    match json {
        Json::String(text) => matches!(text.as_str(), "" | "0" | "0.0.0.0" | "::" | "00:00:00:00:00:00"),
        _ => json.as_u64() == Some(0),
    }
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
        DataType::DateTimeSeconds => number(json)?.checked_mul(1000 * MILLISECOND_NS).map(Value::Time),
        DataType::DateTimeMilliseconds => number(json)?.checked_mul(MILLISECOND_NS).map(Value::Time),
        DataType::DateTimeNanoseconds => number(json).map(Value::Time),
        DataType::Unsigned8 | DataType::Unsigned16 | DataType::Unsigned32 | DataType::Unsigned64 => {
            number(json).map(Value::Unsigned)
        }
    }
}

/// nProbe has some numbers in quotes.
fn number(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str()?.parse().ok())
}

/// Six pairs of hexadecimal digits, with colons between them.
fn mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    octets.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
