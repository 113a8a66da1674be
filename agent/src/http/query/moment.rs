//! A moment: milliseconds since the epoch, as records have it, or RFC 3339.

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{digits, is_not};

const MILLISECOND_NS: u64 = 1_000_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: u64 = 253_402_300_799_999;

/// Nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(in crate::http) struct Moment(pub(in crate::http) u64);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(said: String) -> Result<Self, String> {
        let milliseconds =
            || digits::<u64>(&said).filter(|ms| *ms <= LAST_MS).map(|ms| ms.saturating_mul(MILLISECOND_NS));
        let date = || said.parse::<Timestamp>().ok().map(|t| u64::try_from(t.as_nanosecond()).unwrap_or(0));
        let allowed = "a time, as 1763800000000 (milliseconds since 1970) or 2025-11-22T08:26:40Z";
        milliseconds().or_else(date).map(Self).ok_or_else(|| is_not(&said, allowed))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let milliseconds =
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)).maximum(Some(LAST_MS as usize));
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
        let date = ObjectBuilder::new().schema_type(Type::String).format(format);
        OneOfBuilder::new().item(milliseconds).item(date).into()
    }
}

impl ToSchema for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_read() {
        let read = |text: &str| Moment::try_from(text.to_owned()).map(|m| m.0);
        assert_eq!(read("1763800000000"), Ok(1_763_800_000_000_000_000));
        assert_eq!(read("2025-11-22T08:26:40Z"), Ok(1_763_800_000_000_000_000));
        assert_eq!(read("2025-11-22T09:26:40.5+01:00"), Ok(1_763_800_000_500_000_000));
        assert_eq!(read("1969-01-01T00:00:00Z"), Ok(0));
        for wrong in ["", "soon", "2025-11-22", "-1", "+1", "99999999999999999999", "2025-13-22T08:26:40Z"] {
            assert!(read(wrong).unwrap_err().contains("is not a time"), "{wrong}");
        }
    }
}
