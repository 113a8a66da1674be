//! A named value of a record: how it is read, and its type.

use pidflow_schema::{DataType, Element, FlowRecord, Value};

use crate::datum::Datum;

/// The end at which a condition on either end is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    /// A number that may be written as a name.
    Protocol,
    Text,
    Address,
    Mac,
    Time,
    Duration,
}

impl Kind {
    pub(crate) fn of(element: &Element) -> Self {
        match element.data_type {
            _ if element.name == "PROTOCOL" => Self::Protocol,
            DataType::Unsigned8
            | DataType::Unsigned16
            | DataType::Unsigned32
            | DataType::Unsigned64
            | DataType::Signed64 => Self::Number,
            DataType::String => Self::Text,
            DataType::Ipv4Address | DataType::Ipv6Address => Self::Address,
            DataType::MacAddress => Self::Mac,
            DataType::DateTimeSeconds | DataType::DateTimeMilliseconds | DataType::DateTimeNanoseconds => Self::Time,
        }
    }

    /// The type in words, with an example of a constant.
    pub(crate) const fn described(self) -> &'static str {
        match self {
            Self::Number => "a number such as 443 or 1e6",
            Self::Protocol => "a protocol such as \"tcp\" or 6",
            Self::Text => "a text such as \"nginx\"",
            Self::Address => "an address such as \"10.0.0.1\"",
            Self::Mac => "a MAC address such as \"02:00:00:00:00:01\"",
            Self::Time => "a time such as \"2026-11-29T10:00:00Z\"",
            Self::Duration => "a duration such as \"5s\"",
        }
    }

    /// Whether values of both types can be compared.
    pub(crate) fn fits(self, other: Self) -> bool {
        let number = |kind| if kind == Self::Protocol { Self::Number } else { kind };
        number(self) == number(other)
    }
}

/// How a value is computed from elements.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// The first element that is known.
    First(Vec<&'static Element>),
    /// The sum of the elements that are known.
    Sum(Vec<&'static Element>),
    /// The time from the first element to the second.
    Elapsed(&'static Element, &'static Element),
}

impl Reading {
    /// The elements that are read.
    pub(crate) fn elements(&self) -> Vec<&'static Element> {
        match self {
            Self::First(elements) | Self::Sum(elements) => elements.clone(),
            Self::Elapsed(from, to) => vec![from, to],
        }
    }

    fn read<'a>(&self, record: &'a FlowRecord) -> Option<Datum<'a>> {
        match self {
            Self::First(elements) => elements.iter().find_map(|e| (e.read)(record)).map(Datum::from),
            Self::Sum(elements) => Some(Datum::Integer(sum(elements, record)?)),
            Self::Elapsed(from, to) => {
                let time = |e: &Element| (e.read)(record)?.time_ns().map(i128::from);
                Some(Datum::Duration(time(to)? - time(from)?))
            }
        }
    }
}

fn sum(elements: &[&'static Element], record: &FlowRecord) -> Option<i128> {
    let known = elements.iter().filter_map(|e| (e.read)(record).as_ref().and_then(Value::number::<u64>));
    known.map(i128::from).reduce(|a, b| a + b)
}

/// A named value, see the module.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The value at the source end, or of the flow.
    pub(crate) source: Reading,
    /// The value at the destination end; none: `source` is the only value.
    pub(crate) destination: Option<Reading>,
    pub(crate) kind: Kind,
    /// Factor by which the element's value is multiplied.
    pub(crate) scale: Option<f64>,
}

impl Field {
    /// A field with the value of one element.
    pub(crate) fn element(element: &'static Element) -> Self {
        Self { source: Reading::First(vec![element]), destination: None, kind: Kind::of(element), scale: None }
    }

    /// Whether the value depends on the end.
    pub(crate) const fn is_of_either_end(&self) -> bool {
        self.destination.is_some()
    }

    /// How the value at this end is read.
    pub(crate) const fn reading(&self, side: Side) -> &Reading {
        match (side, &self.destination) {
            (Side::Destination, Some(reading)) => reading,
            _ => &self.source,
        }
    }

    pub(crate) fn read<'a>(&self, record: &'a FlowRecord, side: Side) -> Option<Datum<'a>> {
        let value = self.reading(side).read(record)?;
        match self.scale {
            Some(scale) => Some(Datum::Real(value.real()? * scale)),
            None => Some(value),
        }
    }
}
