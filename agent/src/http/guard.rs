//! Checks that every request must pass before it reaches a page.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{Access, HEALTH};
use super::budget::Budget;
use super::client::Client;
use super::counts::Counts;
use super::limits;
use super::problem::Problem;

/// Headers of every answer that has none of its own: no caching, no content sniffing, no framing.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
];

/// The guard.
#[derive(Clone)]
pub(super) struct Guard {
    /// Who may read what.
    pub(super) access: Arc<Access>,
    /// Whether the host in a request must be an IP address or `localhost`.
    pub(super) by_address: bool,
    /// CPU time that clients may use.
    pub(super) budget: Budget,
    /// A semaphore with one permit: the request whose turn it is.
    pub(super) turn: Arc<Semaphore>,
    /// Counters.
    pub(super) counts: Arc<Counts>,
}

impl Guard {
    fn check(&self, request: &Request) -> Result<(), Problem> {
        check_host(request)?;
        if request.uri().to_string().len() > limits::MAX_URI_BYTES {
            return Err(Problem::new(
                StatusCode::URI_TOO_LONG,
                format!("a URI has at most {} bytes", limits::MAX_URI_BYTES),
            ));
        }
        if fields_length(request) > limits::MAX_FIELD_BYTES {
            let line = format!("header fields have at most {} bytes", limits::MAX_FIELD_BYTES);
            return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, line));
        }
        if request.body().size_hint().lower() > limits::MAX_BODY_BYTES {
            let line = format!("a body has at most {} bytes, and no page needs one", limits::MAX_BODY_BYTES);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, line));
        }
        self.check_name(request)?;
        self.access.check(request)
    }

    /// Lets requests wait for their turn, one at a time, so that health requests never wait behind many. A client that
    /// has used its share of CPU time waits longer, and is refused if that does not suffice.
    async fn pace(&self, client: Client, is_health: bool) -> Result<OwnedSemaphorePermit, Problem> {
        let wait = self.budget.wait(client.group(), Instant::now());
        tokio::time::sleep(wait.min(limits::MAX_DELAY)).await;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is shutting down"))?;
        let wait = self.budget.wait(client.group(), Instant::now());
        if wait.is_zero() || is_health { Ok(turn) } else { Err(Problem::too_much(wait)) }
    }

    /// Protects against DNS rebinding: in a browser on this host, a page of any web site whose name resolves to
    /// 127.0.0.1 could read a port on loopback that requires no credentials. The browser sends that name as `Host`;
    /// other clients do not need a name.
    fn check_name(&self, request: &Request) -> Result<(), Problem> {
        let is_open = !self.by_address || HEALTH.contains(&request.uri().path());
        // RFC 9112 section 3.2.2: a host in the request target takes precedence over Host.
        let target = request.uri().authority().is_none_or(is_address);
        let host = |value: &HeaderValue| Authority::try_from(value.as_bytes()).is_ok_and(|host| is_address(&host));
        if is_open || (target && request.headers().get(header::HOST).is_none_or(host)) {
            return Ok(());
        }
        let line = "without credentials, on loopback, only requests for an IP address or localhost are answered: \
                    a name may be that of a web page that wants to read this (DNS rebinding)";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, line))
    }
}

fn fields_length(request: &Request) -> usize {
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Whether the host is an IP address, or `localhost`, which is no other host's name (RFC 6761 section 6.3).
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
        n => Err(Problem::new(StatusCode::BAD_REQUEST, format!("{n} Host header fields; exactly one is required"))),
    }
}

/// The middleware.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().copied();
    let is_health = HEALTH.contains(&request.uri().path());
    let paced = match client {
        // The first health request on a connection is never delayed, because a supervisor's probe sends only one.
        Some(client) if !(is_health && client.is_first) => guard.pace(client, is_health).await.map(Some),
        _ => Ok(None),
    };
    let passed = paced.and_then(|turn| guard.check(&request).map(|()| turn));
    let mut response = match passed {
        Ok(_turn) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    guard.counts.answered(response.status());
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
