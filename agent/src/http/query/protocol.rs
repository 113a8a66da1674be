//! A transport protocol as a parameter: its name or number.

use pidflow_schema::Protocol;
use serde::Deserialize;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::is_not;
use crate::select::protocol_number;

/// IANA's number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct ProtocolName(pub(in crate::http) u8);

impl TryFrom<String> for ProtocolName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = "a protocol: tcp, udp, icmp, icmpv6, sctp, or a number from 0 to 255";
        protocol_number(&text).map(Self).ok_or_else(|| is_not(&text, allowed))
    }
}

impl PartialSchema for ProtocolName {
    fn schema() -> RefOr<Schema> {
        let names = Protocol::NAMES.map(|(name, _)| name);
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)).maximum(Some(255_usize));
        OneOfBuilder::new().item(names).item(number).into()
    }
}

impl ToSchema for ProtocolName {}
