//! Constants of an expression.

use std::net::IpAddr;

use cel::common::ast::LiteralValue;
use jiff::{SignedDuration, Timestamp};
use pidflow_schema::Protocol;

use crate::datum::Datum;
use crate::field::Kind;

/// A constant whose type is not known yet. It follows from the other side of the comparison: a quoted text may be an address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Number(Datum<'static>),
    Text(String),
    Null,
}

impl Constant {
    /// None: pidflow has no values of this type.
    pub(crate) fn of(literal: &LiteralValue) -> Option<Self> {
        Some(match literal {
            LiteralValue::Int(n) => Self::Number(Datum::Integer(i128::from(*n.inner()))),
            LiteralValue::UInt(n) => Self::Number(Datum::Integer(i128::from(*n.inner()))),
            LiteralValue::Double(x) => Self::Number(Datum::Real(*x.inner())),
            LiteralValue::String(text) => Self::Text(text.inner().to_owned()),
            LiteralValue::Null => Self::Null,
            LiteralValue::Boolean(_) | LiteralValue::Bytes(_) => return None,
        })
    }

    /// The constant as a value of this type; none: it is not a value of this type.
    pub(crate) fn as_kind(&self, kind: Kind) -> Option<Datum<'static>> {
        match (self, kind) {
            (Self::Number(n), Kind::Number | Kind::Protocol) => Some(n.clone()),
            (Self::Text(text), Kind::Text) => Some(Datum::Text(text.clone().into())),
            (Self::Text(text), Kind::Address) => text.parse::<IpAddr>().ok().map(Datum::Address),
            (Self::Text(text), Kind::Mac) => mac(text).map(Datum::Mac),
            (Self::Text(text), Kind::Time) => time(text).map(Datum::Time),
            (Self::Text(text), Kind::Duration) => duration(text).map(Datum::Duration),
            (Self::Text(text), Kind::Protocol) => Protocol::named(text).map(|n| Datum::Integer(n.into())),
            _ => None,
        }
    }

    /// The constant as messages show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Number(Datum::Real(x)) => x.to_string(),
            Self::Number(n) => n.integer().map_or_else(String::new, |n| n.to_string()),
            Self::Text(text) => format!("{text:?}"),
            Self::Null => "null".into(),
        }
    }
}

/// Parses a time of RFC 3339; nanoseconds since the epoch.
fn time(text: &str) -> Option<i128> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

/// Parses a duration such as `5s`, `1h30m` or `250ms`, or one of ISO 8601.
fn duration(text: &str) -> Option<i128> {
    text.parse::<SignedDuration>().ok().map(|d| d.as_nanos())
}

/// Parses a MAC address: six hexadecimal bytes, separated by colons.
fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes = text.split(':').map(|byte| (byte.len() == 2).then(|| u8::from_str_radix(byte, 16).ok()).flatten());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
