//! How a record is stored: the parts that many records have in common, and the numbers of each record.

use std::sync::{Arc, LazyLock};

use pidflow_schema::{ELEMENTS, Element, FlowRecord, Group, Handshake, Process, UnknownCounters, Value};
use serde_json::{Map, Value as Json};

use crate::blank::{BLANK_VALUES, blank};
use crate::facet::{FACETS, Facet};
use crate::numbers;
use crate::value;

/// The two times of the handshake, whose elements are rounded.
pub(crate) const HANDSHAKE: &str = "HANDSHAKE_MICROSECONDS";
/// Marks, in the key of a detail, an element that is not known although a record that does not store it has it.
const ABSENT: u16 = 1 << 15;
/// Marks it in the key of a detail.
const HANDSHAKE_KEY: u16 = u16::MAX;

/// An element that is stored outside of the columns.
struct Stored {
    /// Its place in the table of elements.
    index: u16,
    element: &'static Element,
    /// What a record has that does not store it.
    blank: &'static Option<Value<'static>>,
    facet: Facet,
}

impl Stored {
    /// The value, if it must be stored.
    fn read<'a>(&self, record: &'a FlowRecord) -> Option<Value<'a>> {
        (self.element.read)(record).filter(|value| self.blank.as_ref() != Some(value))
    }

    /// Whether it is not known, and this must be stored: TCP flags that an exporter does not send.
    fn is_absent(&self, record: &FlowRecord) -> bool {
        self.element.group.is_counter() && self.blank.is_some() && (self.element.read)(record).is_none()
    }

    /// Notes that it is not known.
    fn forget(&self, record: &mut FlowRecord) {
        let direction = match self.element.group {
            Group::ForwardTcpFlags => &mut record.flow.forward,
            Group::ReverseTcpFlags => &mut record.flow.reverse,
            _ => return,
        };
        direction.unknown = direction.unknown.union(UnknownCounters::TCP_FLAGS);
    }
}

static STORED: LazyLock<Vec<Stored>> = LazyLock::new(|| {
    let all = ELEMENTS.iter().zip(BLANK_VALUES.iter()).zip(FACETS.iter()).zip(0..);
    let all = all.map(|(((element, blank), facet), index)| Stored { index, element, blank, facet: *facet });
    all.filter(|stored| stored.element.write.is_some()).collect()
});

fn stored(facets: fn(Facet) -> bool) -> impl Iterator<Item = &'static Stored> {
    STORED.iter().filter(move |stored| facets(stored.facet))
}

const fn is_of_process(facet: Facet) -> bool {
    matches!(facet, Facet::Process(_) | Facet::Pod)
}

const fn is_of_detail(facet: Facet) -> bool {
    matches!(facet, Facet::Detail | Facet::Dependent | Facet::Pod | Facet::Number)
}

/// The elements of a process, as those of a source.
pub(crate) fn process_elements(process: &Arc<Process>) -> String {
    let mut record = blank();
    record.source.process = Some(process.clone());
    let known =
        stored(is_of_process).filter_map(|s| Some((s.element.name.to_owned(), value::to_json(&s.read(&record)?))));
    Json::Object(known.collect()).to_string()
}

/// What [`process_elements`] wrote; none: it is no process.
pub(crate) fn process(elements: &str) -> Option<Arc<Process>> {
    let mut record = blank();
    write_all(&mut record, elements, is_of_process)?;
    record.source.process
}

/// Writes the elements in the order of the table, in which they depend on each other. Unknown names, of other versions, are left out.
fn write_all(record: &mut FlowRecord, elements: &str, facets: fn(Facet) -> bool) -> Option<()> {
    let elements: Map<String, Json> = serde_json::from_str(elements).ok()?;
    for s in stored(facets) {
        let Some(json) = elements.get(s.element.name) else { continue };
        if json.is_null() {
            s.forget(record);
        } else {
            value::write(record, s.element, json).then_some(())?;
        }
    }
    Some(())
}

/// What a record shares with others, and its numbers.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Identifies what is shared.
    pub(crate) key: Vec<u8>,
    /// The column `numbers`.
    pub(crate) numbers: Vec<u8>,
}

impl Shape {
    /// Reads the record, whose processes are stored elsewhere.
    pub(crate) fn read(&mut self, record: &FlowRecord) {
        self.key.clear();
        self.numbers.clear();
        for s in stored(is_of_detail) {
            if s.is_absent(record) {
                self.key.extend_from_slice(&(s.index | ABSENT).to_le_bytes());
            }
            let Some(value) = s.read(record) else { continue };
            self.key.extend_from_slice(&s.index.to_le_bytes());
            match (s.facet, &value) {
                (Facet::Number, Value::Signed(n)) => numbers::put(numbers::unsigned(*n), &mut self.numbers),
                (Facet::Number, Value::Unsigned(n) | Value::Time(n)) => numbers::put(*n, &mut self.numbers),
                (_, value) => put_key(value, &mut self.key),
            }
        }
        if let Some(handshake) = record.flow.handshake {
            self.key.extend_from_slice(&HANDSHAKE_KEY.to_le_bytes());
            numbers::put(handshake.client_us.into(), &mut self.numbers);
            numbers::put(handshake.server_us.into(), &mut self.numbers);
        }
    }
}

/// Appends a value so that no two different values give the same bytes.
fn put_key(value: &Value<'_>, key: &mut Vec<u8>) {
    match value {
        Value::Unsigned(n) | Value::Time(n) => key.extend_from_slice(&n.to_le_bytes()),
        Value::Signed(n) => key.extend_from_slice(&n.to_le_bytes()),
        Value::Text(text) => {
            key.extend_from_slice(&(text.len() as u64).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        Value::Ipv4(address) => key.extend_from_slice(&address.octets()),
        Value::Ipv6(address) => key.extend_from_slice(&address.octets()),
        Value::Mac(mac) => key.extend_from_slice(mac),
    }
}

/// The shared elements of the record and the names of its numbers, as JSON.
pub(crate) fn detail(record: &FlowRecord) -> (String, String) {
    let mut elements = Map::new();
    let mut names = Vec::new();
    for s in stored(is_of_detail) {
        if s.is_absent(record) {
            elements.insert(s.element.name.to_owned(), Json::Null);
        }
        let Some(value) = s.read(record) else { continue };
        if s.facet == Facet::Number {
            names.push(Json::from(s.element.name));
        } else {
            elements.insert(s.element.name.to_owned(), value::to_json(&value));
        }
    }
    if record.flow.handshake.is_some() {
        names.push(HANDSHAKE.into());
    }
    (Json::Object(elements).to_string(), Json::Array(names).to_string())
}

/// What [`detail`] wrote.
#[derive(Debug)]
pub(crate) struct Detail {
    /// A record with the shared elements.
    pub(crate) record: FlowRecord,
    numbers: Vec<NumberName>,
}

#[derive(Debug, Clone, Copy)]
enum NumberName {
    Element(&'static Element),
    Handshake,
    /// Of another version of the agent.
    Unknown,
}

impl NumberName {
    fn new(name: &str) -> Self {
        match pidflow_schema::by_name(name) {
            _ if name == HANDSHAKE => Self::Handshake,
            Some(element) => Self::Element(element),
            None => Self::Unknown,
        }
    }
}

impl Detail {
    /// Reads both texts; none: they are damaged.
    pub(crate) fn new(elements: &str, numbers: &str) -> Option<Self> {
        let mut record = blank();
        write_all(&mut record, elements, is_of_detail)?;
        let names: Vec<String> = serde_json::from_str(numbers).ok()?;
        Some(Self { record, numbers: names.iter().map(|name| NumberName::new(name)).collect() })
    }

    /// Writes the numbers into a record; none: they are damaged.
    pub(crate) fn write_numbers(&self, record: &mut FlowRecord, mut bytes: &[u8]) -> Option<()> {
        let mut next = || numbers::take(&mut bytes);
        for name in &self.numbers {
            let n = next()?;
            match name {
                NumberName::Element(element) => value::write_number(record, element, n).then_some(())?,
                NumberName::Handshake => record.flow.handshake = Some(handshake(n, next()?)?),
                NumberName::Unknown => {}
            }
        }
        Some(())
    }
}

fn handshake(client_us: u64, server_us: u64) -> Option<Handshake> {
    Some(Handshake { client_us: client_us.try_into().ok()?, server_us: server_us.try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use pidflow_exporters::sample;

    use super::*;

    #[test]
    fn elements_of_a_detail_depend_on_the_detail_alone() {
        for record in sample::records(200) {
            let mut without = record.clone();
            (without.source.process, without.destination.process) = (None, None);
            let (elements, numbers) = detail(&without);
            let alone = Detail::new(&elements, &numbers).unwrap().record;
            let facets = ELEMENTS.iter().zip(FACETS.iter());
            for (element, _) in facets.filter(|(_, facet)| **facet == Facet::Detail) {
                assert_eq!((element.read)(&record), (element.read)(&alone), "{}", element.name);
            }
        }
    }
}
