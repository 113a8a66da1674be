//! What holds for every request before a page sees it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
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
    /// Whether only who asks for an address or `localhost` is answered.
    pub(super) by_address: bool,
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
        self.check_name(request)?;
        self.check_token(request)
    }

    /// A page of any web site could read a port on loopback that asks for no token, in a browser on this host: its name need
    /// only resolve to 127.0.0.1 (DNS rebinding). The browser says that name, and who means this port has no use for it.
    fn check_name(&self, request: &Request) -> Result<(), Problem> {
        let is_open = !self.by_address || OPEN.contains(&request.uri().path());
        // RFC 9112 section 3.2.2: what the target says, where it says it, goes before Host.
        let target = request.uri().authority().is_none_or(is_address);
        let host = |value: &HeaderValue| Authority::try_from(value.as_bytes()).is_ok_and(|host| is_address(&host));
        if is_open || (target && request.headers().get(header::HOST).is_none_or(host)) {
            return Ok(());
        }
        let line = "without a token, on loopback, only who asks for an IP address or localhost is answered: \
                    a name may be a web page's that wants to read this (DNS rebinding)";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, line))
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

/// Or `localhost`, which is no other host's name (RFC 6761 section 6.3).
fn is_address(authority: &Authority) -> bool {
    let host = authority.host().strip_suffix('.').unwrap_or(authority.host());
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok()
        || v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
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
