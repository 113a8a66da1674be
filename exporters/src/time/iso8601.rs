//! ISO 8601 (RFC 3339) times.

use std::fmt;

use super::timestamp;

/// Nanoseconds since 1970, shown as `2026-01-31T12:34:56.789Z`.
#[derive(Debug, Clone, Copy)]
pub struct Iso8601(pub u64);

impl fmt::Display for Iso8601 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits beyond the third are cut off, not rounded.
        write!(f, "{:.3}", timestamp(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Iso8601;

    #[test]
    fn known_moments() {
        assert_eq!(Iso8601(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Iso8601(951_782_400_123_000_000).to_string(), "2000-02-29T00:00:00.123Z");
        assert_eq!(Iso8601(1_767_225_599_999_999_999).to_string(), "2025-12-31T23:59:59.999Z");
        assert_eq!(Iso8601(u64::MAX).to_string(), "2554-07-21T23:34:33.709Z");
    }
}
