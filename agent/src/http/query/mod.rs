//! What may stand behind the question mark: typed, with one line for whoever gets it wrong.

mod end;
mod moment;
mod protocol;
mod values;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::failure::one_line;

pub(super) use end::End;
pub(super) use moment::Moment;
pub(super) use protocol::ProtocolName;
pub(super) use values::{Address, AtCursor, Limit, Name, Pid, Port};

/// A query's parameters; unknown ones, bad values and repetitions are refused.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refused = |e: axum::extract::rejection::QueryRejection| {
            let said = e.body_text();
            Problem::new(StatusCode::BAD_REQUEST, one_line(&in_our_words(&said)))
        };
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(refused)
    }
}

/// Serde's sentence, which speaks of fields.
fn in_our_words(said: &str) -> String {
    let why = said.split_once("query string: ").map_or(said, |(_, why)| why);
    match (why.split_once(": unknown field "), why.strip_prefix("duplicate field ")) {
        (Some((_, rest)), _) => format!("unknown parameter {}", rest.replace("there are no fields", "there are none")),
        (None, Some(name)) => format!("{name} is given twice"),
        (None, None) => why.to_owned(),
    }
}

/// `"abc" is not ALLOWED`, with what was said cut to a few characters.
fn is_not(said: &str, allowed: &str) -> String {
    let shown: String = said.chars().take(40).collect();
    format!("{shown:?} is not {allowed}")
}

/// A number without sign and other decoration.
fn digits<T: std::str::FromStr>(said: &str) -> Option<T> {
    said.bytes().all(|b| b.is_ascii_digit()).then(|| said.parse().ok())?
}
