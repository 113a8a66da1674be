//! Answers to requests that cannot be met: a status, and one line that says why.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, RefOr, Type};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    line: String,
}

impl Problem {
    /// With this status.
    pub(super) fn new(status: StatusCode, line: impl Into<String>) -> Self {
        Self { status, line: line.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.line + "\n").into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"pidflow\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The refusals that any page has, described.
pub(super) struct AnyRefusal;

const ANY: [(&str, &str); 7] = [
    ("400", "The request is malformed, or a query parameter is unknown or has a bad value; the line names it."),
    ("401", "A bearer token is asked for, and it was not given or is wrong."),
    ("408", "The request did not arrive within 10 s. The connection is closed."),
    ("413", "The request has a body, and that is too large."),
    ("414", "The URI is too long."),
    ("421", "It asks for a name, where without a token on loopback an IP address or localhost is to be asked for."),
    ("431", "The request's header fields are too large."),
];

impl utoipa::IntoResponses for AnyRefusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        ANY.iter().map(|(status, why)| ((*status).to_owned(), RefOr::T(one_line(why)))).collect()
    }
}

fn one_line(why: &str) -> utoipa::openapi::Response {
    let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String).build())).build();
    ResponseBuilder::new().description(why).content("text/plain", text).build()
}
