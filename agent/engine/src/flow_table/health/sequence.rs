//! Arithmetic with sequence numbers (RFC 9293 section 3.4) and with times in microseconds modulo 2^32.

/// The greatest window (RFC 7323 section 2.3). Sequence numbers that are farther apart do not belong to one connection.
pub(super) const MAX_WINDOW: u32 = 1 << 30;

/// How far `number` is ahead of `other`; negative: behind.
pub(super) const fn ahead(number: u32, other: u32) -> i32 {
    number.wrapping_sub(other).cast_signed()
}

/// The later one of two sequence numbers.
pub(super) const fn later(number: u32, other: u32) -> u32 {
    if ahead(number, other) > 0 { number } else { other }
}

/// The earlier one.
pub(super) const fn earlier(number: u32, other: u32) -> u32 {
    if ahead(number, other) < 0 { number } else { other }
}

/// Microseconds from `then` to `now`; 0: `now` is earlier, as packets of two interfaces may be.
pub(super) fn passed(then: u32, now: u32) -> u32 {
    ahead(now, then).max(0).unsigned_abs()
}
