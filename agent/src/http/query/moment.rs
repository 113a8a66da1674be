//! A moment as a parameter.

use serde::Deserialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::is_not;
use crate::select;

/// A parsed moment.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Moment(pub(in crate::http) select::Moment);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = "a time, as 1763800000000 (milliseconds since 1970) or 2025-11-22T08:26:40Z";
        select::Moment::parse(&text).map(Self).ok_or_else(|| is_not(&text, allowed))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let last = select::Moment::LAST_MS as usize;
        let milliseconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)).maximum(Some(last));
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
        let date = ObjectBuilder::new().schema_type(Type::String).format(format);
        OneOfBuilder::new().item(milliseconds).item(date).into()
    }
}

impl ToSchema for Moment {}
