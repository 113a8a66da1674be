//! The unit of time stamps.

/// Section 4.2, `if_tsresol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Ten to the power of minus this.
    Decimal(u8),
    /// Two to the power of minus this.
    Binary(u8),
}

impl Resolution {
    /// The default, where the interface description has no such option.
    pub(super) const MICROSECONDS: Self = Self::Decimal(6);

    pub(super) const fn of_option(value: u8) -> Self {
        if value & 0x80 == 0 { Self::Decimal(value) } else { Self::Binary(value & 0x7f) }
    }

    /// Converts a number of units to nanoseconds. The result is `u64::MAX` where it would be greater.
    pub(super) fn nanoseconds(self, units: u64) -> u64 {
        const SECOND: u128 = 1_000_000_000;
        let wide = u128::from(units) * SECOND;
        let ns = match self {
            Self::Decimal(power) => 10_u128.checked_pow(power.into()).map_or(0, |per_second| wide / per_second),
            Self::Binary(power) => wide.checked_shr(power.into()).unwrap_or(0),
        };
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_from_seconds_to_the_smallest() {
        for (option, units, ns) in [
            (0, 3, 3_000_000_000),
            (6, 3, 3000),
            (9, 3, 3),
            (19, 30_000_000_000_000, 3000),
            (0x7f, u64::MAX, 0),
            (0, u64::MAX, u64::MAX),
            (0x80, 3, 3_000_000_000),
            (0x80 | 63, 3 << 63, 1_000_000_000),
            (0x80 | 63, u64::MAX, 1_999_999_999),
            (0xff, u64::MAX, 0),
        ] {
            assert_eq!(Resolution::of_option(option).nanoseconds(units), ns, "{option:#x} {units}");
        }
    }
}
