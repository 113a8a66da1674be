//! The value of a field, by the type of its element.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use pidflow_schema::{DataType, Value};

use crate::octets::{signed, unsigned};

/// Longest text of a record, bytes; the rest is cut off.
const MAX_TEXT: usize = 8192;

/// A value that is a number, an address or a time; none: its length does not fit its type, or it is a text.
#[inline]
pub(crate) fn plain(data_type: DataType, octets: &[u8]) -> Option<Value<'static>> {
    match data_type {
        DataType::Unsigned8 | DataType::Unsigned16 | DataType::Unsigned32 | DataType::Unsigned64 => {
            unsigned(octets).map(Value::Unsigned)
        }
        DataType::Signed64 => signed(octets).map(Value::Signed),
        DataType::Ipv4Address => octets.try_into().ok().map(|a: [u8; 4]| Value::Ipv4(Ipv4Addr::from(a))),
        DataType::Ipv6Address => octets.try_into().ok().map(|a: [u8; 16]| Value::Ipv6(Ipv6Addr::from(a))),
        DataType::MacAddress => octets.try_into().ok().map(Value::Mac),
        DataType::DateTimeSeconds => unsigned(octets).map(|s| Value::Time(s.saturating_mul(1_000_000_000))),
        DataType::DateTimeMilliseconds => unsigned(octets).map(|ms| Value::Time(ms.saturating_mul(1_000_000))),
        DataType::DateTimeNanoseconds | DataType::String => None,
    }
}

/// A text up to its padding, and whether it was cut.
pub(crate) fn text(octets: &[u8]) -> (Cow<'_, str>, bool) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let whole = octets.get(..end).unwrap_or_default();
    let kept = whole.get(..MAX_TEXT).unwrap_or(whole);
    (String::from_utf8_lossy(kept), kept.len() < whole.len())
}

/// The time in NTP's format that is nearest to `near_ns`, because its seconds wrap in 2036 (RFC 7011 section 6.1.10).
pub(crate) fn ntp(octets: &[u8], near_ns: u64) -> Option<u64> {
    const EPOCH: u32 = 2_208_988_800;
    let stamp: [u8; 8] = octets.try_into().ok()?;
    let stamp = u64::from_be_bytes(stamp);
    let (seconds, fraction) = ((stamp >> 32) as u32, stamp & u64::from(u32::MAX));
    let nanoseconds = (fraction * 1_000_000_000) >> 32;
    let near_s = near_ns / 1_000_000_000;
    let since_epoch = seconds.wrapping_sub(EPOCH);
    let ahead = i64::from(since_epoch.wrapping_sub(near_s as u32).cast_signed());
    near_s.checked_add_signed(ahead)?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_shorter_than_their_type() {
        let number = |octets: &[u8]| plain(DataType::Unsigned64, octets).and_then(|v| v.number::<u64>());
        assert_eq!(number(&[1, 2, 3]), Some(0x01_02_03));
        assert_eq!(number(&[0xff; 8]), Some(u64::MAX));
        assert_eq!((number(&[]), number(&[0; 9])), (None, None));
        assert_eq!(plain(DataType::Ipv4Address, &[1, 2, 3]), None);
    }

    #[test]
    fn texts_end_at_their_padding() {
        assert_eq!(text(b"curl\0\0\0"), ("curl".into(), false));
        assert_eq!(text(b""), ("".into(), false));
        assert_eq!(text(b"\xff").0, "\u{fffd}");
        assert!(text(&[b'x'; MAX_TEXT + 1]).1);
    }

    #[test]
    fn ntp_seconds_wrap_in_2036() {
        let now_ns = 1_767_225_600_000_000_000;
        let stamp = |seconds: u64| ((seconds + 2_208_988_800) << 32 | 1 << 31).to_be_bytes();
        assert_eq!(ntp(&stamp(1_767_225_600), now_ns), Some(1_767_225_600_500_000_000));
        let after = 2_085_978_496_u64 + 10;
        assert_eq!(ntp(&stamp(after), after * 1_000_000_000), Some(after * 1_000_000_000 + 500_000_000));
        assert_eq!(ntp(&[0; 7], now_ns), None);
    }
}
