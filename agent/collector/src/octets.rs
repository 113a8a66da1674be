//! Reads numbers and slices from the front of octets, in network byte order.

/// What is left of a datagram or a part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) const fn len(self) -> usize {
        self.0.len()
    }

    /// All that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing but zeros is left.
    pub(crate) fn is_zero(self) -> bool {
        is_zero(self.0)
    }

    /// The next octets; none, and nothing is taken, if there are fewer.
    #[inline]
    pub(crate) const fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else { return None };
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

/// Whether all octets are zero.
#[inline]
pub(crate) fn is_zero(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet == 0)
}

/// The signed number in up to eight octets, two's complement (RFC 7011 section 6.2); none: there are none, or more.
pub(crate) fn signed(octets: &[u8]) -> Option<i64> {
    let unused = 64_u32.checked_sub(8 * u32::try_from(octets.len()).ok()?)?;
    unsigned(octets).map(|number| (number << unused).cast_signed() >> unused)
}

/// The unsigned number in up to eight octets (RFC 7011 section 6.2, reduced-size encoding); none: there are none, or more.
#[inline]
pub(crate) fn unsigned(octets: &[u8]) -> Option<u64> {
    match octets {
        [a] => Some(u64::from(*a)),
        [a, b] => Some(u64::from(u16::from_be_bytes([*a, *b]))),
        [a, b, c, d] => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        [] => None,
        _ if octets.len() <= 8 => Some(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))),
        _ => None,
    }
}
