//! One name of the language, to read its value from records: for grouping.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use pidflow_schema::{Element, FlowRecord, Protocol};

use crate::datum::Datum;
use crate::error::ExpressionError;
use crate::field::{Field, Kind, Side};
use crate::names;

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum End {
    Source,
    Destination,
}

impl From<End> for Side {
    fn from(end: End) -> Self {
        match end {
            End::Source => Self::Source,
            End::Destination => Self::Destination,
        }
    }
}

/// A name whose value can be read, such as `process` or `dst.port`.
#[derive(Debug, Clone)]
pub struct Selector {
    name: Box<str>,
    field: Field,
}

impl Selector {
    /// Looks up a name.
    ///
    /// # Errors
    /// The name is empty or not known; the error has the most similar known one.
    pub fn parse(name: &str) -> Result<Self, ExpressionError> {
        let field = match name.split_once('.') {
            Some((end, rest)) => names::field_of(end, rest),
            None => names::field(name),
        };
        let hint = || match names::nearest(name) {
            _ if name.is_empty() => "a name is missing".to_owned(),
            Some(known) => format!("unknown name {name}; did you mean {known}?"),
            None => format!("unknown name {name}; `pidflow fields --short` lists the names"),
        };
        let field = field.ok_or_else(|| ExpressionError::new(1, hint()))?;
        Ok(Self { name: name.into(), field })
    }

    /// The name as written.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name means either end.
    #[must_use]
    pub const fn is_of_either_end(&self) -> bool {
        self.field.is_of_either_end()
    }

    /// The elements from which the value at this end is read.
    #[must_use]
    pub fn elements(&self, end: End) -> Vec<&'static Element> {
        self.field.reading(end.into()).elements()
    }

    /// The value at this end; none: unknown.
    #[must_use]
    pub fn read(&self, record: &FlowRecord, end: End) -> Option<SelectorValue> {
        let datum = self.field.read(record, end.into())?;
        Some(SelectorValue::of(&datum, self.field.kind))
    }
}

/// A value as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SelectorValue {
    /// A whole number.
    Number(i128),
    /// A text; also an address, a time (RFC 3339), a duration, or a number with a fraction.
    Text(Box<str>),
}

impl SelectorValue {
    fn of(datum: &Datum<'_>, kind: Kind) -> Self {
        let text = |text: String| Self::Text(text.into());
        match datum {
            Datum::Integer(n) if kind == Kind::Protocol => {
                u8::try_from(*n).ok().and_then(Protocol::name).map_or(Self::Number(*n), |name| text(name.into()))
            }
            Datum::Integer(n) => Self::Number(*n),
            Datum::Real(x) => text(x.to_string()),
            Datum::Text(t) => Self::Text(t.as_ref().into()),
            Datum::Address(address) => text(address.to_string()),
            Datum::Mac(mac) => text(mac.map(|byte| format!("{byte:02x}")).join(":")),
            Datum::Time(ns) => Timestamp::from_nanosecond(*ns).map_or(Self::Number(*ns), |t| text(t.to_string())),
            Datum::Duration(ns) => {
                i64::try_from(*ns).map_or(Self::Number(*ns), |ns| text(format!("{:#}", SignedDuration::from_nanos(ns))))
            }
        }
    }
}

impl fmt::Display for SelectorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
