//! One element of a plan: how it is read and written, decided once per template.

use pidflow_schema::{DataType, Element, FlowRecord, Length, Value};

use super::utf8;

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
/// Seconds from the NTP epoch, 1900-01-01, to 1970-01-01 (RFC 7011 section 6.1.9).
const NTP_EPOCH: u64 = 2_208_988_800;
/// The last second that 32 bits can represent, in 2106.
const LAST_SECOND: u64 = u32::MAX as u64;
/// Half of the period after which NTP's seconds overflow (2036, and every 136 years).
const HALF_ERA_S: u64 = 1 << 31;
/// Strings of at least this many octets have a three-octet length (RFC 7011 section 7, figure S).
const MIN_LONG_TEXT: usize = 255;
/// NetFlow v9 `LAST_SWITCHED` and `FIRST_SWITCHED` (RFC 3954 section 8).
const UPTIME_TYPES: [u16; 2] = [21, 22];

/// The encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    U8,
    U16,
    U32,
    U64,
    Ipv4,
    Ipv6,
    Mac,
    /// Seconds since 1970, 4 octets.
    Seconds,
    /// Milliseconds since 1970, 8 octets.
    Milliseconds,
    /// NTP timestamp, 8 octets (RFC 7011 section 6.1.10).
    Nanoseconds,
    /// Milliseconds of system uptime, 4 octets.
    Uptime,
    /// Variable length, with a length prefix.
    Text,
    /// Fixed length: this many octets, zero terminated and padded.
    Padded(u16),
}

/// What a value's encoding may depend on in addition to the record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Time of the message, nanoseconds since 1970.
    pub(crate) now_ns: u64,
    /// Milliseconds since 1970 at which the system uptime was 0.
    pub(crate) boot_ms: u64,
    /// Longest text written, in octets.
    pub(crate) text_limit: usize,
}

/// One element of a plan.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    read: fn(&FlowRecord) -> Option<Value<'_>>,
    op: Op,
}

impl Op {
    /// The field for IPFIX (RFC 7011 section 6.1).
    pub(crate) const fn ipfix(e: &Element) -> Self {
        match e.data_type {
            DataType::Unsigned8 => Self::U8,
            DataType::Unsigned16 => Self::U16,
            DataType::Unsigned32 => Self::U32,
            // Two's complement (RFC 7011 section 6.1.2), of all eight octets.
            DataType::Unsigned64 | DataType::Signed64 => Self::U64,
            DataType::String => Self::Text,
            DataType::Ipv4Address => Self::Ipv4,
            DataType::Ipv6Address => Self::Ipv6,
            DataType::MacAddress => Self::Mac,
            DataType::DateTimeSeconds => Self::Seconds,
            DataType::DateTimeMilliseconds => Self::Milliseconds,
            DataType::DateTimeNanoseconds => Self::Nanoseconds,
        }
    }

    /// The field for NetFlow v9, where some lengths differ and none is variable.
    pub(crate) fn netflow9(e: &Element) -> Self {
        match (e.length, e.v9) {
            (Length::Variable { v9 }, _) => Self::Padded(v9),
            (_, Some(t)) if UPTIME_TYPES.contains(&t) => Self::Uptime,
            _ => Self::unsigned(e.data_type, e.v9_length).unwrap_or(Self::ipfix(e)),
        }
    }

    const fn unsigned(data_type: DataType, octets: u16) -> Option<Self> {
        use DataType::{Unsigned8, Unsigned16, Unsigned32, Unsigned64};
        match (data_type, octets) {
            (Unsigned8 | Unsigned16 | Unsigned32 | Unsigned64, 1) => Some(Self::U8),
            (Unsigned8 | Unsigned16 | Unsigned32 | Unsigned64, 2) => Some(Self::U16),
            (Unsigned8 | Unsigned16 | Unsigned32 | Unsigned64, 4) => Some(Self::U32),
            (Unsigned8 | Unsigned16 | Unsigned32 | Unsigned64, 8) => Some(Self::U64),
            _ => None,
        }
    }

    /// Octets on the wire; none: the length varies.
    pub(crate) const fn octets(self) -> Option<u16> {
        match self {
            Self::U8 => Some(1),
            Self::U16 => Some(2),
            Self::U32 | Self::Ipv4 | Self::Seconds | Self::Uptime => Some(4),
            Self::Mac => Some(6),
            Self::U64 | Self::Milliseconds | Self::Nanoseconds => Some(8),
            Self::Ipv6 => Some(16),
            Self::Padded(n) => Some(n),
            Self::Text => None,
        }
    }
}

impl Field {
    /// `e`, written by `op`.
    pub(crate) const fn new(e: &Element, op: Op) -> Self {
        Self { read: e.read, op }
    }

    /// Whether there are times that it cannot represent.
    pub(crate) const fn is_limited(&self) -> bool {
        matches!(self.op, Op::Seconds | Op::Nanoseconds | Op::Uptime)
    }

    /// Whether the receiver will decode the record's time correctly.
    pub(crate) fn can_tell(&self, record: &FlowRecord, clock: Clock) -> bool {
        let Some(Value::Time(ns)) = (self.read)(record) else { return true };
        match self.op {
            Op::Seconds => ns / SECOND_NS <= LAST_SECOND,
            // The receiver chooses the NTP era that is nearest to its own time.
            Op::Nanoseconds => ns.abs_diff(clock.now_ns) / SECOND_NS < HALF_ERA_S,
            // The receiver adds it to the start time, which it computes from the header's seconds and uptime.
            Op::Uptime if ns / SECOND_NS > LAST_SECOND => false,
            Op::Uptime => {
                let since_boot = (ns / MILLISECOND_NS).checked_sub(clock.boot_ms);
                since_boot.is_some_and(|ms| ms <= u64::from(u32::MAX))
            }
            _ => true,
        }
    }

    /// Appends the value. An unknown value becomes 0 or the empty string.
    #[inline]
    pub(crate) fn write(&self, record: &FlowRecord, clock: Clock, out: &mut Vec<u8>) {
        let value = (self.read)(record);
        match self.op {
            Op::U8 => out.push(saturate(number(&value))),
            Op::U16 => out.extend_from_slice(&saturate::<u16>(number(&value)).to_be_bytes()),
            Op::U32 => out.extend_from_slice(&saturate::<u32>(number(&value)).to_be_bytes()),
            Op::U64 => out.extend_from_slice(&number(&value).to_be_bytes()),
            Op::Text => put_text(utf8::prefix(text(&value), clock.text_limit), out),
            Op::Padded(octets) => put_padded(text(&value), usize::from(octets), out),
            Op::Ipv4 | Op::Ipv6 | Op::Mac => put_address(&value, self.op, out),
            _ => put_time(number(&value), self.op, clock, out),
        }
    }
}

/// `v` as `T`, or the largest `T` if `v` does not fit.
trait Saturate: TryFrom<u64> {
    const MAX: Self;
}

impl Saturate for u8 {
    const MAX: Self = Self::MAX;
}

impl Saturate for u16 {
    const MAX: Self = Self::MAX;
}

impl Saturate for u32 {
    const MAX: Self = Self::MAX;
}

fn saturate<T: Saturate>(v: u64) -> T {
    T::try_from(v).unwrap_or(T::MAX)
}

fn number(value: &Option<Value<'_>>) -> u64 {
    match value {
        Some(Value::Unsigned(v) | Value::Time(v)) => *v,
        Some(Value::Signed(v)) => v.cast_unsigned(),
        _ => 0,
    }
}

fn text<'a>(value: &'a Option<Value<'_>>) -> &'a str {
    match value {
        Some(Value::Text(t)) => t,
        _ => "",
    }
}

/// RFC 7011 section 7: one octet of length, or 255 and two octets.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let text = utf8::prefix(text, usize::from(u16::MAX));
    match u8::try_from(text.len()) {
        Ok(n) if text.len() < MIN_LONG_TEXT => out.push(n),
        _ => {
            out.push(u8::MAX);
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// The last octet is always zero, because collectors in C, such as pmacct, read beyond a field without it.
fn put_padded(text: &str, octets: usize, out: &mut Vec<u8>) {
    let end = out.len() + octets;
    out.extend_from_slice(utf8::prefix(text, octets.saturating_sub(1)).as_bytes());
    out.resize(end, 0);
}

fn put_address(value: &Option<Value<'_>>, op: Op, out: &mut Vec<u8>) {
    match value {
        Some(Value::Ipv4(a)) => out.extend_from_slice(&a.octets()),
        Some(Value::Ipv6(a)) => out.extend_from_slice(&a.octets()),
        Some(Value::Mac(a)) => out.extend_from_slice(a),
        _ => out.resize(out.len() + usize::from(op.octets().unwrap_or(0)), 0),
    }
}

fn put_time(ns: u64, op: Op, clock: Clock, out: &mut Vec<u8>) {
    match op {
        Op::Seconds => out.extend_from_slice(&saturate::<u32>(ns / SECOND_NS).to_be_bytes()),
        Op::Milliseconds => out.extend_from_slice(&(ns / MILLISECOND_NS).to_be_bytes()),
        Op::Nanoseconds => out.extend_from_slice(&ntp(ns).to_be_bytes()),
        _ => out.extend_from_slice(&uptime(ns, clock.boot_ms).to_be_bytes()),
    }
}

/// Seconds since 1900 in the upper half, the fraction in units of 2^-32 s in the lower.
const fn ntp(ns: u64) -> u64 {
    let seconds = (ns / SECOND_NS + NTP_EPOCH) & 0xffff_ffff;
    (seconds << 32) | (((ns % SECOND_NS) << 32) / SECOND_NS)
}

/// Times for which [`Field::can_tell`] is true do not overflow.
const fn uptime(ns: u64, boot_ms: u64) -> u32 {
    ((ns / MILLISECOND_NS).saturating_sub(boot_ms) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_saturate() {
        assert_eq!(saturate::<u8>(256), 255);
        assert_eq!(saturate::<u16>(70_000), 65_535);
        assert_eq!(saturate::<u32>(u64::MAX), u32::MAX);
    }

    #[test]
    fn lengths_of_text_as_in_rfc_7011_section_7() {
        let written = |n: usize| {
            let mut out = Vec::new();
            put_text(&"x".repeat(n), &mut out);
            out
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(254)[0], 254);
        assert_eq!(written(255)[..3], [255, 0, 255]);
        assert_eq!(written(255).len(), 258);
        assert_eq!(written(100_000).len(), 65_535 + 3);
    }

    #[test]
    fn ntp_time_counts_from_1900() {
        assert_eq!(ntp(0), NTP_EPOCH << 32);
        assert_eq!(ntp(500_000_000) & 0xffff_ffff, 1 << 31);
    }

    #[test]
    fn table_lengths_are_what_is_written() {
        for e in pidflow_schema::ELEMENTS.iter() {
            assert_eq!(Op::ipfix(e).octets(), e.data_type.octets(), "{}", e.name);
            assert_eq!(Op::netflow9(e).octets(), Some(e.v9_length), "{}", e.name);
        }
    }
}
