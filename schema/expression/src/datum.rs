//! The values that an expression computes with.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use pidflow_schema::Value;

/// One value of one record, or a constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum<'a> {
    /// A whole number. 128 bits hold every sum and product of two elements.
    Integer(i128),
    Real(f64),
    Text(Cow<'a, str>),
    Address(IpAddr),
    Mac([u8; 6]),
    /// Nanoseconds since the epoch.
    Time(i128),
    /// Nanoseconds.
    Duration(i128),
}

impl<'a> Datum<'a> {
    /// None: the types differ, or a double is NaN.
    pub(crate) fn compare(&self, other: &Datum<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Datum::Integer(b))
            | (Self::Time(a), Datum::Time(b))
            | (Self::Duration(a), Datum::Duration(b)) => Some(a.cmp(b)),
            (Self::Text(a), Datum::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Self::Address(a), Datum::Address(b)) => Some(a.cmp(b)),
            (Self::Mac(a), Datum::Mac(b)) => Some(a.cmp(b)),
            _ => self.real()?.partial_cmp(&other.real()?),
        }
    }

    /// The number, as CEL converts it to compare it with a double.
    #[expect(clippy::cast_precision_loss, reason = "a double has 53 bits, as in CEL")]
    pub(crate) const fn real(&self) -> Option<f64> {
        match self {
            Self::Integer(n) => Some(*n as f64),
            Self::Real(x) => Some(*x),
            _ => None,
        }
    }

    pub(crate) const fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(n) | Self::Time(n) | Self::Duration(n) => Some(*n),
            _ => None,
        }
    }
}

impl<'a> From<Value<'a>> for Datum<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Unsigned(n) => Self::Integer(n.into()),
            Value::Signed(n) => Self::Integer(n.into()),
            Value::Text(text) => Self::Text(text.into()),
            Value::Ipv4(a) => Self::Address(a.into()),
            Value::Ipv6(a) => Self::Address(a.into()),
            Value::Mac(mac) => Self::Mac(mac),
            Value::Time(ns) => Self::Time(ns.into()),
        }
    }
}
