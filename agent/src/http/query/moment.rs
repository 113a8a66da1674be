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

/// A whole millisecond since the epoch: records say no more.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(in crate::http) struct Moment(u64);

impl Moment {
    /// Whether it is not later than a time in nanoseconds since the epoch.
    pub(in crate::http) const fn is_until(self, ns: u64) -> bool {
        self.0 <= ns / MILLISECOND_NS
    }

    /// Whether it is not earlier than that.
    pub(in crate::http) const fn is_since(self, ns: u64) -> bool {
        self.0 >= ns / MILLISECOND_NS
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(said: String) -> Result<Self, String> {
        let milliseconds = || digits(&said).filter(|ms| *ms <= LAST_MS);
        let date = || said.parse::<Timestamp>().ok().map(|t| u64::try_from(t.as_millisecond()).unwrap_or(0));
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
        assert_eq!(read("1763800000000"), Ok(1_763_800_000_000));
        assert_eq!(read("2025-11-22T08:26:40Z"), Ok(1_763_800_000_000));
        assert_eq!(read("2025-11-22T09:26:40.5+01:00"), Ok(1_763_800_000_500));
        assert_eq!(read("1969-01-01T00:00:00Z"), Ok(0));
        for wrong in ["", "soon", "2025-11-22", "-1", "+1", "99999999999999999999", "2025-13-22T08:26:40Z"] {
            assert!(read(wrong).unwrap_err().contains("is not a time"), "{wrong}");
        }
    }

    #[test]
    fn a_millisecond_is_meant_as_a_whole() {
        let moment = Moment(5);
        assert!(moment.is_until(5_000_000) && moment.is_until(5_999_999) && !moment.is_until(4_999_999));
        assert!(moment.is_since(5_000_000) && moment.is_since(5_999_999) && !moment.is_since(6_000_000));
    }
}
