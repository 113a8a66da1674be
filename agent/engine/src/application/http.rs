//! Requests and responses of HTTP/1 (RFC 9112).

use httparse::{Error, Header, Request, Response, Status};
use pidflow_schema::record::Http;

use super::reading::Reading;
use super::text::visible;

/// The greatest number of header fields that are read to find the host.
const MAX_HEADERS: usize = 64;

/// Reads the head of a request. If it is longer than what is kept of a message, what is known of it counts.
pub(super) fn request(bytes: &[u8]) -> Reading<Http> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) | Err(Error::TooManyHeaders) => Reading::of(described(&request)),
        Ok(Status::Partial) => Reading::Incomplete,
        Err(_) => Reading::Other,
    }
}

/// The status code of a response.
pub(super) fn status(bytes: &[u8]) -> Option<u16> {
    let mut headers = [httparse::EMPTY_HEADER; 8];
    let mut response = Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(_) | Err(Error::TooManyHeaders) => response.code,
        Err(_) => None,
    }
}

fn described(request: &Request<'_, '_>) -> Option<Http> {
    let (method, target) = (request.method?, request.path?);
    let (authority, path) = target_parts(method, target);
    let host = authority.map(str::as_bytes).or_else(|| host_header(request.headers)).unwrap_or_default();
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    Some(Http {
        method: visible(method.as_bytes()),
        host: visible(host.trim_ascii()),
        path: visible(path.as_bytes()),
        status: None,
    })
}

/// Authority and path of a request's target (RFC 9112 section 3.2), without query and fragment, in which secrets are common.
fn target_parts<'a>(method: &str, target: &'a str) -> (Option<&'a str>, &'a str) {
    if method == "CONNECT" {
        return (Some(target), "");
    }
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else { return (None, target) };
    let path = rest.find('/').unwrap_or(rest.len());
    (rest.get(..path), rest.get(path..).unwrap_or_default())
}

fn host_header<'a>(headers: &[Header<'a>]) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case("host")).map(|header| header.value)
}
