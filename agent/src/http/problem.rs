//! Answers to refused requests: a status, and one line with the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pidflow_expression::ExpressionError;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, RefOr, Type};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    line: String,
    /// The header `Retry-After` of status 429.
    retry_after: Option<u64>,
}

impl Problem {
    /// A refusal with this status.
    pub(super) fn new(status: StatusCode, line: impl Into<String>) -> Self {
        Self { status, line: line.into(), retry_after: None }
    }

    /// The client has used its share of CPU time, and gets more after this time.
    pub(super) fn too_much(wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        let line = format!("too many expensive requests; retry in {seconds} s");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, line) }
    }

    /// The client, or all clients together, have as many streams as they may have.
    pub(super) fn too_many_streams(of_client: usize, of_all: usize) -> Self {
        let line = format!("too many streams: at most {of_client} for each client and {of_all} for all; close one");
        Self { retry_after: Some(limits::STREAM_DURATION.as_secs()), ..Self::new(StatusCode::TOO_MANY_REQUESTS, line) }
    }

    /// The parameter `filter` is no expression.
    pub(super) fn wrong_filter(why: ExpressionError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("filter: {why}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.line + "\n").into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"pidflow\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            // Closes the connection, so that the requests sent after this one need no refusal.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The refusals common to all pages, for the description.
pub(super) struct AnyRefusal;

const COMMON_REFUSALS: [(&str, &str); 9] = [
    ("400", "The request is malformed, or a query parameter is unknown or has a bad value; the line names it."),
    ("401", "A bearer token is required; it is missing or wrong."),
    ("403", "A client certificate is required, or on loopback without a token: the client belongs to another user."),
    ("408", "The request did not arrive within 10 s. The connection is closed."),
    ("413", "The request's body is too large."),
    ("414", "The URI is too long."),
    ("421", "The Host is a name; on loopback without credentials it must be an IP address or localhost."),
    (
        "429",
        "The client has used its share of CPU time, or has too many streams; Retry-After says when it has more. The connection is closed.",
    ),
    ("431", "The request's header fields are too large."),
];

impl utoipa::IntoResponses for AnyRefusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&COMMON_REFUSALS)
    }
}

/// Describes refusals with one line each; `refusals` are statuses and their reasons.
pub(super) fn described(refusals: &[(&str, &str)]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    refusals.iter().map(|(status, why)| ((*status).to_owned(), RefOr::T(one_line(why)))).collect()
}

fn one_line(why: &str) -> utoipa::openapi::Response {
    let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String).build())).build();
    ResponseBuilder::new().description(why).content("text/plain", text).build()
}
