//! The simple values.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_expression::Expression;
use serde::Deserialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{digits, is_not};
use crate::http::limits;
use crate::http::problem::Problem;
use crate::http::schemas::schemas;
use crate::published::recent::cursor::{self, Cursor, Walk};

/// A name, in full.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Name(pub(in crate::http) String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() { Err(is_not(&text, "a name")) } else { Ok(Self(text)) }
    }
}

/// The text of an expression that selects records. Whether it is one, its schema cannot say.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct FilterText(String);

impl FilterText {
    /// The expression, if there is one. The refusal has the place and the reason.
    pub(in crate::http) fn compile(given: Option<&Self>) -> Result<Option<Arc<Expression>>, Problem> {
        let parse = |text: &Self| Expression::parse(&text.0).map(Arc::new);
        given.map(parse).transpose().map_err(Problem::wrong_filter)
    }
}

impl TryFrom<String> for FilterText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = || format!("an expression of 1 to {} bytes", Expression::MAX_BYTES);
        if (1..=Expression::MAX_BYTES).contains(&text.len()) { Ok(Self(text)) } else { Err(is_not(&text, &allowed())) }
    }
}

impl PartialSchema for FilterText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        // Bytes count; a character has at most four.
        let text = text.max_length(Some(Expression::MAX_BYTES / 4));
        text.examples(["process == \"nginx\" && dst.port == 443"]).into()
    }
}

impl ToSchema for FilterText {}

/// A process number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Pid(pub(in crate::http) u32);

impl TryFrom<String> for Pid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        digits(&text).map(Self).ok_or_else(|| is_not(&text, "a process number, 0 to 4294967295"))
    }
}

/// A TCP, UDP or SCTP port.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Port(pub(in crate::http) u16);

impl TryFrom<String> for Port {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        digits(&text).map(Self).ok_or_else(|| is_not(&text, "a port, 0 to 65535"))
    }
}

/// An IPv4 or IPv6 address.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Address(pub(in crate::http) IpAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| is_not(&text, "an address, as 192.0.2.1 or 2001:db8::1"))
    }
}

/// Entries of a page.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Limit(usize);

impl Limit {
    /// The requested number, or the default.
    pub(in crate::http) fn or_usual(asked: Option<Self>) -> usize {
        asked.map_or(limits::DEFAULT_PAGE_ENTRIES, |limit| limit.0)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limit = digits(&text).filter(|n| (1..=limits::MAX_PAGE_ENTRIES).contains(n));
        limit.map(Self).ok_or_else(|| is_not(&text, &format!("a number of entries, 1 to {}", limits::MAX_PAGE_ENTRIES)))
    }
}

/// The end of an earlier page.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct AtCursor(Cursor);

impl AtCursor {
    /// The walk that continues there, or a new one; none: the cursor belongs to another run of the agent.
    pub(in crate::http) fn or_start(asked: Option<Self>) -> Option<Walk> {
        asked.map_or(Some(Walk::START), |cursor| cursor.0.walk())
    }
}

impl TryFrom<String> for AtCursor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|allowed| is_not(&text, allowed))
    }
}

fn integer(least: usize, most: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
}

fn text(format: Option<KnownFormat>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).format(format.map(SchemaFormat::KnownFormat))
}

schemas! {
    Name: text(None).min_length(Some(1));
    Pid: integer(0, u32::MAX as usize);
    Port: integer(0, u16::MAX.into());
    Address: OneOfBuilder::new().item(text(Some(KnownFormat::Ipv4))).item(text(Some(KnownFormat::Ipv6)));
    Limit: integer(1, limits::MAX_PAGE_ENTRIES);
    AtCursor: text(None).pattern(Some(cursor::PATTERN));
}
