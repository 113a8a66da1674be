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

/// Maximum number of bytes read of an answer's body; answers to requests of a few megabytes are smaller.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// Maximum length of an answer in messages to the operator.
const SHOWN: usize = 200;

/// A client of one receiver, which keeps its connection open between requests.
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
    /// The part of the body that was read.
    pub(crate) body: Vec<u8>,
    /// `Retry-After` as a duration from now.
    pub(crate) retry_after: Option<Duration>,
}

impl HttpClient {
    /// Fails only if the configuration is wrong; an unreachable receiver is not an error.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, String> {
        let https = config.url.starts_with("https:");
        let settings = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let settings = settings.user_agent(concat!("pidflow/", env!("CARGO_PKG_VERSION")));
        let settings = if https { settings.tls_config(tls_config(&config.tls)?) } else { settings };
        let headers = request_headers(config)?;
        Ok(Self { agent: settings.build().new_agent(), url: config.url.clone(), headers, gzip: config.gzip })
    }

    /// Stores the body at the address, which is signed. An answer of any status is not a failure; see [`Answer::refusal`].
    #[cfg(feature = "parquet-s3")]
    pub(crate) fn put(&self, url: &str, body: &[u8], limit: Duration) -> Result<Answer, Failure> {
        let request = self.agent.put(url).config().timeout_global(Some(limit)).build();
        // The error may contain the address, and the address a signature.
        request.send(body).and_then(Answer::read).map_err(|e| Failure::passing(without_query(&e.to_string())))
    }

    /// Sends one request with a body of that media type to `path` under the receiver's address. An answer of any status
    /// is not a failure; see [`Answer::refusal`].
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

/// The text up to the query of an address in it.
#[cfg(feature = "parquet-s3")]
fn without_query(text: &str) -> String {
    text.split_once('?').map_or_else(|| text.to_owned(), |(before, _)| format!("{before}?…"))
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

    /// The meaning of a status other than success. Too many requests, errors of the server (RFC 9110 section 15) and
    /// [`RefusalReason::Denied`] are temporary; other statuses are permanent.
    pub(crate) fn refusal(&self) -> Refusal {
        self.refusal_unless(&[408, 425, 429, 500, 502, 503, 504], &self.excerpt())
    }

    /// Like [`Self::refusal`], but only these statuses and [`RefusalReason::Denied`] are temporary; with the receiver's
    /// own message.
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

    /// The beginning of the body, on one line.
    pub(crate) fn excerpt(&self) -> String {
        one_line(&String::from_utf8_lossy(self.body.get(..self.body.len().min(4 * SHOWN)).unwrap_or_default()))
    }
}

/// A hint for the operator if the status is about the sender or the destination, not about the records: an expired key,
/// a revoked permission, a missing table or route. The records are valid, and wait until the problem is solved.
const fn denial(status: u16) -> Option<&'static str> {
    match status {
        401 | 407 => Some("check the credentials"),
        402 | 403 => Some("check the permissions of the sender"),
        404 => Some("check the address, and that its target exists"),
        300..=399 => Some("check the address; it redirects to another one"),
        _ => None,
    }
}

/// The beginning of a receiver's message, on one line.
pub(crate) fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    line.trim().to_owned()
}

/// The text as part of a query (RFC 3986 section 2.1): all characters except the unreserved ones are percent-encoded.
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
