//! What the method, the target and the host of an HTTP request say, of any version.

use pidflow_schema::record::Http;

use super::text::{visible, visible_line};

/// A request. The target may have an authority, which counts instead of `host` then.
pub(super) fn described(method: &[u8], target: &str, host: &[u8], user_agent: &[u8]) -> Http {
    let (authority, path) = target_parts(method, target);
    let host = authority.map_or(host, str::as_bytes);
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    Http {
        method: visible(method),
        host: visible(host.trim_ascii()),
        path: visible(path.as_bytes()),
        status: None,
        user_agent: visible_line(user_agent.trim_ascii()),
    }
}

/// Authority and path of a request's target (RFC 9112 section 3.2), without query and fragment, in which secrets are common.
fn target_parts<'a>(method: &[u8], target: &'a str) -> (Option<&'a str>, &'a str) {
    if method == b"CONNECT" && !target.is_empty() {
        return (Some(target), "");
    }
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else { return (None, target) };
    let path = rest.find('/').unwrap_or(rest.len());
    (rest.get(..path), rest.get(path..).unwrap_or_default())
}
