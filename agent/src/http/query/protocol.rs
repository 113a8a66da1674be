//! A transport protocol by name or number.

use pidflow_schema::Protocol;
use serde::Deserialize;
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{digits, is_not};

const NAMES: [(&str, u8); 5] = [
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmpv6", Protocol::ICMPV6),
    ("sctp", Protocol::SCTP),
];

/// IANA's number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct ProtocolName(pub(in crate::http) u8);

impl TryFrom<String> for ProtocolName {
    type Error = String;

    fn try_from(said: String) -> Result<Self, String> {
        let named = NAMES.iter().find(|(name, _)| *name == said).map(|(_, number)| *number);
        let allowed = "a protocol: tcp, udp, icmp, icmpv6, sctp, or a number from 0 to 255";
        named.or_else(|| digits(&said)).map(Self).ok_or_else(|| is_not(&said, allowed))
    }
}

impl PartialSchema for ProtocolName {
    fn schema() -> RefOr<Schema> {
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(NAMES.map(|(name, _)| name)));
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)).maximum(Some(255_usize));
        OneOfBuilder::new().item(names).item(number).into()
    }
}

impl ToSchema for ProtocolName {}
