//! The value of one element of one record, borrowed from the record where it can be.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One value, in the abstract types of RFC 7012 section 3.1 that pidflow uses.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// unsigned8 to unsigned64; the element's length says how many octets are sent, and a
    /// larger value is sent as the largest that fits (saturated), never wrapped.
    Unsigned(u64),
    /// UTF-8 text without a terminator.
    Text(Cow<'a, str>),
    /// ipv4Address.
    Ipv4(Ipv4Addr),
    /// ipv6Address.
    Ipv6(Ipv6Addr),
    /// macAddress.
    Mac([u8; 6]),
    /// A point in time as nanoseconds since 1970-01-01T00:00:00Z; the element's data type says in
    /// which unit it is sent.
    Time(u64),
}

impl<'a> Value<'a> {
    /// Text borrowed from the record.
    #[must_use]
    pub fn text(s: &'a str) -> Self {
        Self::Text(Cow::Borrowed(s))
    }
}

impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        Self::Unsigned(v)
    }
}

impl From<u32> for Value<'_> {
    fn from(v: u32) -> Self {
        Self::Unsigned(u64::from(v))
    }
}

impl From<u16> for Value<'_> {
    fn from(v: u16) -> Self {
        Self::Unsigned(u64::from(v))
    }
}

impl From<u8> for Value<'_> {
    fn from(v: u8) -> Self {
        Self::Unsigned(u64::from(v))
    }
}
