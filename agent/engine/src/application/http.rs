//! Requests and responses of HTTP/1 (RFC 9112).

use httparse::{Error, Header, Request, Response, Status};
use pidflow_schema::record::Http;

use super::http2;
use super::reading::Reading;
use super::request_line::described;

/// The greatest number of header fields that are read to find the host.
const MAX_HEADERS: usize = 64;
const SWITCHING_PROTOCOLS: u16 = 101;

/// Reads the head of a request. If it is longer than what is kept of a message, what is known of it counts.
pub(super) fn request(bytes: &[u8]) -> Reading<Http> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) | Err(Error::TooManyHeaders) => Reading::of(of_request(&request)),
        Ok(Status::Partial) => Reading::Incomplete,
        Err(_) => Reading::Other,
    }
}

/// The status code of a response. If the server switches to HTTP/2 (RFC 7540 section 3.2), that of the response in it.
pub(super) fn status(bytes: &[u8]) -> Reading<u16> {
    let mut headers = [httparse::EMPTY_HEADER; 8];
    let mut response = Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(Status::Complete(octets)) if response.code == Some(SWITCHING_PROTOCOLS) && upgrades(response.headers) => {
            match http2::status(bytes.get(octets..).unwrap_or_default()) {
                Reading::Other => Reading::Found(SWITCHING_PROTOCOLS),
                reading => reading,
            }
        }
        Ok(_) | Err(Error::TooManyHeaders) => Reading::of(response.code),
        Err(_) => Reading::Other,
    }
}

/// Whether HTTP/2 follows.
fn upgrades(headers: &[Header<'_>]) -> bool {
    headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("upgrade") && header.value.eq_ignore_ascii_case(b"h2c"))
}

fn of_request(request: &Request<'_, '_>) -> Option<Http> {
    let (method, target) = (request.method?, request.path?);
    let field = |name| field(request.headers, name).unwrap_or_default();
    Some(described(method.as_bytes(), target, field("host"), field("user-agent")))
}

fn field<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}
