//! Typed query parameters. Errors are reported in one line.

mod moment;
mod protocol;
mod values;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::failure::one_line;

pub(super) use moment::Moment;
pub(super) use protocol::ProtocolName;
pub(super) use values::{Address, AtCursor, FilterText, Limit, Name, Pid, Port};

/// A query's parameters; unknown ones, bad values and repetitions are refused.
#[derive(Debug)]
pub(super) struct QueryParameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refused = |e: axum::extract::rejection::QueryRejection| {
            let said = e.body_text();
            Problem::new(StatusCode::BAD_REQUEST, one_line(&parameter_error(&said)))
        };
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(refused)
    }
}

/// Serde's message with "field" replaced by "parameter", the term that clients know.
fn parameter_error(said: &str) -> String {
    let why = said.split_once("query string: ").map_or(said, |(_, why)| why);
    match (why.split_once(": unknown field "), why.strip_prefix("duplicate field ")) {
        (Some((_, rest)), _) => format!("unknown parameter {}", rest.replace("there are no fields", "there are none")),
        (None, Some(name)) => format!("{name} is given twice"),
        (None, None) => why.to_owned(),
    }
}

/// `"abc" is not ALLOWED`, with the value cut to a few characters.
pub(super) fn is_not(value: &str, allowed: &str) -> String {
    let shown: String = value.chars().take(40).collect();
    format!("{shown:?} is not {allowed}")
}

/// A number without a sign.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
