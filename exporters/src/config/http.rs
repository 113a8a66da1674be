//! Settings shared by all HTTP receivers.

use std::collections::BTreeMap;

use url::Url;

use super::table::Table;
use super::{ConfigError, Secret, TlsConfig};

/// An HTTP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `http://HOST:PORT` or `https://…`, optionally with a path; without a trailing `/`.
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
    /// An exporter to `url`, with defaults for everything else.
    ///
    /// # Errors
    /// The address is malformed, or contains a user or password, which have keys of their own.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let url = receiver(url).ok_or_else(|| ConfigError::HttpUrl { url: without_secrets(url) })?;
        Ok(Self { url, headers: BTreeMap::new(), basic: None, gzip: true, tls: TlsConfig::default() })
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
    /// Sets the header `authorization` from that key. It is an error to set it in another way too.
    pub(super) fn authorize(&mut self, key: &'static str, value: &str) -> Result<(), ConfigError> {
        if self.basic.is_some() || self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")) {
            let reason = "only one of this key, `user` and the header authorization can be set".into();
            return Err(ConfigError::Value { key, reason });
        }
        self.headers.insert("authorization".into(), Secret::new(value));
        Ok(())
    }
}

/// The address as given, with its scheme in lower case; none: the clients cannot use it. The parser accepts and
/// corrects more than the clients do, so the text itself is checked too.
fn receiver(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let authority = rest.split('/').next()?;
    let has_host_alone = !authority.is_empty() && !authority.contains('@');
    let url = Url::parse(text).ok().filter(|_| is_plain && has_host_alone)?;
    let is_http = ["http", "https"].contains(&url.scheme()) && url.scheme().eq_ignore_ascii_case(scheme);
    let is_whole = url.port() != Some(0) && url.query().is_none() && url.fragment().is_none();
    (is_http && is_whole).then(|| format!("{}://{}", url.scheme(), rest.trim_end_matches('/')))
}

/// The address without the part before an `@` or after a `?` or `#`, so that messages contain no password or token.
pub(super) fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (shown, hidden) = url.split_at(end);
    // A password may contain these characters.
    let shown = if hidden.contains('@') { url } else { shown };
    match shown.rsplit_once('@') {
        Some((_, host)) => format!("…@{}", host.split(['?', '#']).next().unwrap_or_default()),
        None if hidden.is_empty() => without_odd_port(shown),
        None => format!("{shown}…"),
    }
}

/// `http://user:password`, without the host, has a password where a port should be.
fn without_odd_port(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let authority = url.get(start..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    match authority.split_once(':') {
        Some((host, port)) if !host.starts_with('[') && !port.bytes().all(|b| b.is_ascii_digit()) && start > 0 => {
            format!("{}{host}:…", url.get(..start).unwrap_or_default())
        }
        _ => url.to_owned(),
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
        let odd =
            ["http://bob:hush", "http://bob:hush/x", "http://a:80/b:c", "http://[::1]:80/", "a:b"].map(without_secrets);
        assert_eq!(odd, ["http://bob:…", "http://bob:…", "http://a:80/b:c", "http://[::1]:80/", "a:b"]);
    }

    /// What a client could never send to is said at the start, not with each attempt.
    #[test]
    fn addresses_that_cannot_be_sent_to_are_refused() {
        let ports = ["http://a:99999", "http://a:0", "http://a:b", "http://::1"];
        let hosts = [
            "http://[::1",
            "http://a[b",
            "http:///a",
            "http:a",
            "http:\\\\a",
            "http://1.2.3.999",
            "http://bücher.example",
        ];
        let rest = ["http://@a", "http://:hush@a", "http://a/ü", "http://a\t", "http://a/ b"];
        for wrong in ports.iter().chain(&hosts).chain(&rest) {
            assert!(HttpConfig::new(wrong).is_err(), "{wrong}");
        }
        for right in ["http://a_b:80", "http://[::1]:1/x", "https://a/x@y"] {
            assert_eq!(HttpConfig::new(right).unwrap().url, right);
        }
        assert_eq!(HttpConfig::new("HTTPS://A/X").unwrap().url, "https://A/X");
    }
}
