//! What all receivers that are spoken to over HTTP have in common.

use std::collections::BTreeMap;

use super::table::Table;
use super::{ConfigError, Secret, TlsConfig};

/// An HTTP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `http://HOST:PORT` or `https://…`, maybe with a path; without `/` at its end.
    pub url: String,
    /// Sent with each request.
    pub headers: BTreeMap<String, Secret>,
    /// Basic authentication (RFC 7617): user and password.
    pub basic: Option<(String, Secret)>,
    /// Whether bodies are compressed with gzip.
    pub gzip: bool,
    /// For `https`.
    pub tls: TlsConfig,
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Compression {
    Gzip,
    None,
}

impl HttpConfig {
    /// To `url`, with everything else as usual.
    ///
    /// # Errors
    /// When the address cannot be read, or has a user or password in it: these have keys of their own.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let readable = ["http", "https"].contains(&scheme) && !host.is_empty() && !url.contains(char::is_whitespace);
        if !readable || host.contains('@') || rest.contains(['?', '#']) {
            return Err(ConfigError::HttpUrl { url: without_secrets(url) });
        }
        let (url, tls) = (url.trim_end_matches('/').to_owned(), TlsConfig::default());
        Ok(Self { url, headers: BTreeMap::new(), basic: None, gzip: true, tls })
    }

    /// The keys `url`, `headers`, `user`, `password`, `compression` and those of TLS.
    pub(crate) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let http = Self::new(&url)?;
        let headers = table.take("headers")?.unwrap_or_default();
        super::headers::check_headers(&headers).map_err(|reason| ConfigError::Value { key: "headers", reason })?;
        let (user, password) = (table.take::<String>("user")?, table.take::<Secret>("password")?);
        let basic = match (user, password) {
            (None, None) => None,
            (Some(user), password) => Some((user, password.unwrap_or_else(|| Secret::new("")))),
            (None, Some(_)) => return Err(ConfigError::Value { key: "password", reason: "it needs `user`".into() }),
        };
        let gzip = table.take("compression")? != Some(Compression::None);
        Ok(Self { headers, basic, gzip, tls: TlsConfig::read(table)?, ..http })
    }
}

impl HttpConfig {
    /// Sends `authorization` as the value of that key asks for, which excludes other ways to say it.
    pub(super) fn authorize(&mut self, key: &'static str, value: &str) -> Result<(), ConfigError> {
        if self.basic.is_some() || self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) {
            let reason = "it, `user`, and the header authorization exclude each other".into();
            return Err(ConfigError::Value { key, reason });
        }
        self.headers.insert("authorization".into(), Secret::new(value));
        Ok(())
    }
}

/// The address without what stands before an `@`, or behind a `?` or `#`, so that no password and no token reaches a
/// message.
pub(super) fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (shown, hidden) = url.split_at(end);
    // A password may have these characters in it.
    let shown = if hidden.contains('@') { url } else { shown };
    match shown.rsplit_once('@') {
        Some((_, host)) => format!("…@{}", host.split(['?', '#']).next().unwrap_or_default()),
        None if hidden.is_empty() => shown.to_owned(),
        None => format!("{shown}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_show_no_password() {
        assert_eq!(HttpConfig::new("https://a:1/x/").unwrap().url, "https://a:1/x");
        assert!(HttpConfig::new("ftp://a").is_err() && HttpConfig::new("http://").is_err());
        assert!(HttpConfig::new("http://a/?b=c").is_err());
        let error = HttpConfig::new("https://user:secret@host").unwrap_err().to_string();
        assert!(error.contains("…@host") && !error.contains("secret"), "{error}");
        let shown = ["http://a?t=hush", "http://a#hush", "u:hu?sh@a", "http://me:hush@a/?t=hush"].map(without_secrets);
        assert_eq!(shown, ["http://a…", "http://a…", "…@a", "…@a/"]);
    }
}
