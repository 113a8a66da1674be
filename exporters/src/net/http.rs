//! Requests to an HTTP receiver.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http::header::RETRY_AFTER;
use ureq::http::{HeaderName, HeaderValue, Response};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig as UreqTls};
use ureq::{Agent, Body};

use crate::config::{HttpConfig, TlsConfig, request_headers};
use crate::delivery::{Failure, Retry};

use super::{Refusal, RefusalReason, retry_after, tls};

/// Of an answer's body, at most this much is read: answers to requests of a few megabytes are smaller.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// How much of an answer is shown to the operator.
const SHOWN: usize = 200;

/// A client of one receiver; keeps its connection open from request to request.
pub(crate) struct HttpClient {
    agent: Agent,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    gzip: bool,
}

/// What the receiver answered.
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Body, as far as it was read.
    pub(crate) body: Vec<u8>,
    /// `Retry-After`, from now.
    pub(crate) retry_after: Option<Duration>,
}

impl HttpClient {
    /// Says what is wrong with the configuration; a receiver that is away is no error.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, String> {
        let https = config.url.starts_with("https:");
        let settings = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let settings = settings.user_agent(concat!("pidflow/", env!("CARGO_PKG_VERSION")));
        let settings = if https { settings.tls_config(tls_config(&config.tls)?) } else { settings };
        let headers = request_headers(config)?;
        Ok(Self { agent: settings.build().new_agent(), url: config.url.clone(), headers, gzip: config.gzip })
    }

    /// One request with a body of that media type to `path` under the receiver's address. An answer of any status is no
    /// failure; see [`Answer::refusal`].
    pub(crate) fn post(&self, path: &str, media: &str, body: &[u8], limit: Duration) -> Result<Answer, Failure> {
        let request = self.agent.post(format!("{}{path}", self.url)).config().timeout_global(Some(limit)).build();
        let request = self.headers.iter().fold(request, |r, (name, value)| r.header(name, value));
        let request = request.header("content-type", media);
        let answer = if self.gzip {
            request.header("content-encoding", "gzip").send(compress(body).as_slice())
        } else {
            request.send(body)
        };
        answer.and_then(Answer::read).map_err(|e| Failure::passing(e.to_string()))
    }
}

fn compress(body: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = out.write_all(body);
    out.finish().unwrap_or_default()
}

impl Answer {
    fn read(answer: Response<Body>) -> Result<Self, ureq::Error> {
        let (parts, body) = answer.into_parts();
        let retry_after =
            parts.headers.get(RETRY_AFTER).and_then(|v| retry_after::wait(v.to_str().ok()?.trim(), SystemTime::now()));
        let mut text = Vec::new();
        body.into_with_config().limit(MAX_ANSWER_BYTES).reader().read_to_end(&mut text)?;
        Ok(Self { status: parts.status.as_u16(), body: text, retry_after })
    }

    /// Whether the request succeeded.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a status other than success means. Too many requests and the server's troubles pass (RFC 9110 section 15),
    /// and so does what [`RefusalReason::Denied`] is; other statuses do not.
    pub(crate) fn refusal(&self) -> Refusal {
        self.refusal_unless(&[408, 425, 429, 500, 502, 503, 504], &self.excerpt())
    }

    /// As [`Self::refusal`], where only these statuses and [`RefusalReason::Denied`] pass, with what the receiver said of it.
    pub(crate) fn refusal_unless(&self, passing: &[u16], said: &str) -> Refusal {
        let denied = denial(self.status);
        let retry = match passing.contains(&self.status) || denied.is_some() {
            true => self.retry_after.map_or(Retry::Backoff, Retry::After),
            false => Retry::Never,
        };
        let why = match self.status {
            413 => RefusalReason::TooLarge,
            _ if denied.is_some() => RefusalReason::Denied,
            _ => RefusalReason::Other,
        };
        let hint = denied.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let message = format!("HTTP {}{hint}: {said}", self.status);
        Refusal { why, failure: Failure { retry, ..Failure::passing(message) } }
    }

    /// The body's beginning, in one line.
    pub(crate) fn excerpt(&self) -> String {
        one_line(&String::from_utf8_lossy(self.body.get(..self.body.len().min(4 * SHOWN)).unwrap_or_default()))
    }
}

/// What to look at where the status is about who asks and where, and not about the records: a key that has expired, a
/// right that was taken away, a table or a route that is gone. Records are no worse for it, and wait until it is mended.
const fn denial(status: u16) -> Option<&'static str> {
    match status {
        401 | 407 => Some("check the credentials"),
        402 | 403 => Some("check the permissions of the sender"),
        404 => Some("check the address, and that its target exists"),
        300..=399 => Some("check the address, it redirects elsewhere"),
        _ => None,
    }
}

/// The beginning of what a receiver said, in one line.
pub(crate) fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    line.trim().to_owned()
}

/// As part of a query (RFC 3986 section 2.1): all but unreserved characters percent-encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(octet)),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

fn tls_config(config: &TlsConfig) -> Result<UreqTls, String> {
    let roots: Vec<_> = tls::authorities(config)?.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
    Ok(UreqTls::builder()
        .unversioned_rustls_crypto_provider(tls::provider())
        .root_certs(RootCerts::new_with_certs(&roots))
        .client_cert(client_cert(config)?)
        .disable_verification(config.insecure)
        .build())
}

fn client_cert(config: &TlsConfig) -> Result<Option<ClientCert>, String> {
    let Some((_, key)) = &config.identity else { return Ok(None) };
    let chain = tls::identity(config)?.map(|(chain, _)| chain).unwrap_or_default();
    let chain: Vec<_> = chain.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
    let key = PrivateKey::from_pem(key.reveal().as_bytes()).map_err(|e| format!("tls-key: {e}"))?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}
