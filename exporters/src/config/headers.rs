//! Headers of HTTP requests.

use std::collections::BTreeMap;

use ureq::http::{HeaderName, HeaderValue};

use super::{HttpConfig, Secret};

/// Headers sent with each request. The values may be secrets, so errors name the key only.
pub(crate) fn request_headers(config: &HttpConfig) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut all = given_headers(&config.headers)?;
    if let Some((user, password)) = &config.basic {
        let name = HeaderName::from_static("authorization");
        all.push((name, header_value("authorization", &basic(user, password))?));
    }
    Ok(all)
}

/// Checks the headers, and names the first invalid one.
pub(super) fn check_headers(given: &BTreeMap<String, Secret>) -> Result<(), String> {
    given_headers(given).map(drop)
}

fn given_headers(given: &BTreeMap<String, Secret>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let read = |(name, value): (&String, &Secret)| {
        let key = HeaderName::try_from(name).map_err(|_| {
            format!("\"{}\" is not a header's name; allowed are letters, digits and !#$%&'*+-.^_`|~", shown(name))
        })?;
        Ok((key, header_value(name, value.reveal())?))
    };
    given.iter().map(read).collect()
}

/// Without what is behind a colon or `=`: a whole header may have been written for its name.
fn shown(name: &str) -> String {
    match name.find([':', '=']) {
        Some(at) if at + 1 < name.len() => format!("{}…", name.get(..=at).unwrap_or_default()),
        _ => name.to_owned(),
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of \"{name}\" has characters that are not allowed in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7617 section 2.
fn basic(user: &str, password: &Secret) -> String {
    use base64::Engine;
    let pair = format!("{user}:{}", password.reveal());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}
