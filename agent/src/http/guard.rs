//! What holds for every request before a page sees it.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::counts::Counts;
use super::limits;
use super::problem::Problem;
use super::token::Token;

/// Pages that are for everybody: probes bring no token.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// Of every answer: it is of this moment, is what it says, and is no part of another page.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
];

/// The guard.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// Asked for, if there is one.
    pub(super) token: Option<Token>,
    /// What happened.
    pub(super) counts: Arc<Counts>,
}

impl Guard {
    fn check(&self, request: &Request) -> Result<(), Problem> {
        check_host(request)?;
        if request.uri().to_string().len() > limits::URI {
            return Err(Problem::new(StatusCode::URI_TOO_LONG, format!("a URI has at most {} octets", limits::URI)));
        }
        if fields_length(request) > limits::FIELDS {
            let line = format!("header fields have at most {} octets", limits::FIELDS);
            return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, line));
        }
        if request.body().size_hint().lower() > limits::BODY {
            let line = format!("a body has at most {} octets, and no page needs one", limits::BODY);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, line));
        }
        self.check_token(request)
    }

    fn check_token(&self, request: &Request) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = request.headers().get(header::AUTHORIZATION);
        if OPEN.contains(&request.uri().path()) || given.is_some_and(|value| token.is_in(value.as_bytes())) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::UNAUTHORIZED, "a bearer token is needed: Authorization: Bearer TOKEN"))
    }
}

fn fields_length(request: &Request) -> usize {
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// RFC 9112 section 3.2: HTTP/1.1 has exactly one Host.
fn check_host(request: &Request) -> Result<(), Problem> {
    match request.headers().get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if request.version() < Version::HTTP_11 => Ok(()),
        n => Err(Problem::new(StatusCode::BAD_REQUEST, format!("{n} Host header fields, where one is needed"))),
    }
}

/// The middleware.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    guard.counts.answered(response.status());
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
