//! The value of one element of one record, borrowed from the record if possible.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::sync::Arc;

use arrayvec::ArrayString;

/// A short text that is computed from the record, without an allocation.
pub type ShortText = ArrayString<32>;

/// A text of the record, or one computed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Text<'a> {
    Borrowed(&'a str),
    Short(ShortText),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Short(text) => text,
        }
    }
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        match text {
            Text::Borrowed(text) => Cow::Borrowed(text),
            Text::Short(text) => Cow::Owned(text.to_string()),
        }
    }
}

/// One value, in the abstract types of RFC 7012 section 3.1 that pidflow uses.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// unsigned8 to unsigned64. The element's length is the number of octets sent; a value that does not fit is sent as
    /// the largest one that fits (saturated).
    Unsigned(u64),
    /// signed64.
    Signed(i64),
    /// UTF-8 text without a terminator.
    Text(Text<'a>),
    /// ipv4Address.
    Ipv4(Ipv4Addr),
    /// ipv6Address.
    Ipv6(Ipv6Addr),
    /// macAddress.
    Mac([u8; 6]),
    /// A time in nanoseconds since 1970-01-01T00:00:00Z. The element's data type determines the unit in which it is
    /// sent.
    Time(u64),
}

impl<'a> Value<'a> {
    /// Text borrowed from the record.
    #[must_use]
    pub fn text(s: &'a str) -> Self {
        Self::Text(Text::Borrowed(s))
    }

    /// The number, if it is one and fits.
    #[must_use]
    pub fn number<T: TryFrom<u64>>(&self) -> Option<T> {
        let Self::Unsigned(n) = self else { return None };
        T::try_from(*n).ok()
    }

    /// The signed number, if it is one.
    #[must_use]
    pub const fn signed(&self) -> Option<i64> {
        let Self::Signed(n) = self else { return None };
        Some(*n)
    }

    /// The text as a shared string, if it is one.
    #[must_use]
    pub fn shared_text(&self) -> Option<Arc<str>> {
        let Self::Text(s) = self else { return None };
        Some(Arc::from(&**s))
    }

    /// The address, if it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Ipv4(a) => Some(IpAddr::V4(*a)),
            Self::Ipv6(a) => Some(IpAddr::V6(*a)),
            _ => None,
        }
    }

    /// Nanoseconds since the epoch, if it is a time.
    #[must_use]
    pub const fn time_ns(&self) -> Option<u64> {
        let Self::Time(ns) = self else { return None };
        Some(*ns)
    }

    /// The MAC address, if it is one.
    #[must_use]
    pub const fn mac(&self) -> Option<[u8; 6]> {
        let Self::Mac(mac) = self else { return None };
        Some(*mac)
    }

    /// The member of `all` with this text as its name.
    pub(crate) fn named<T: Copy>(&self, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
        let Self::Text(s) = self else { return None };
        all.iter().copied().find(|one| name(*one) == &**s)
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
