//! The column `numbers`: unsigned numbers, each in LEB128 (seven bits a byte, the lowest first; the highest bit of a byte says
//! that another one follows).

/// Appends a number.
pub(crate) fn put(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes the first number; none: there is none, or it has more than 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(first & 0x7f);
        if part.checked_shl(shift)? >> shift != part {
            return None;
        }
        n |= part << shift;
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// A signed number as an unsigned one: 0, -1, 1, -2, …
pub(crate) const fn unsigned(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

/// The inverse of [`unsigned`].
pub(crate) const fn signed(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put(n, &mut out);
            let mut rest = out.as_slice();
            assert_eq!((take(&mut rest), rest.len()), (Some(n), 0));
            assert_eq!(take(&mut &out[..out.len() - 1]), None);
        }
    }

    #[test]
    fn signed_numbers_come_back_and_small_ones_stay_small() {
        for n in [0, -1, 1, -64, i64::MIN, i64::MAX] {
            assert_eq!(signed(unsigned(n)), n);
        }
        assert_eq!([0, -1, 1, -2].map(unsigned), [0, 1, 2, 3]);
    }

    #[test]
    fn too_many_bits_are_refused() {
        assert_eq!(take(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02].as_slice()), None);
    }
}
