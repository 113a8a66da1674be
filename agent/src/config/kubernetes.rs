//! Values of the options for Kubernetes.

use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::kubernetes::is_loopback;

/// Longest name of a label: a prefix of 253 bytes, a slash, and a name of 63.
const MAX_LABEL: usize = 317;

/// The address of a kubelet or API server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ServerUrl(pub(super) Url);

impl TryFrom<String> for ServerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    /// Without TLS, a token would be readable by others, unless it stays on this host.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is not the address of a server ({why}); write https://HOST:PORT");
        let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        match (url.scheme(), url.host_str().is_some() && is_plain) {
            (_, false) => Err(wrong("it has a path, a query or a user, or no host")),
            ("https", _) => Ok(Self(url)),
            ("http", _) if is_loopback(&url) => Ok(Self(url)),
            ("http", _) => Err(wrong("without TLS, only addresses of this host are allowed")),
            _ => Err(wrong("the scheme is not https")),
        }
    }
}

/// The name of a label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LabelName(pub(super) String);

impl TryFrom<String> for LabelName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for LabelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let fits = (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(is_allowed);
        fits.then(|| Self(text.to_owned())).ok_or_else(|| format!("{text:?} is not the name of a label"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        for text in ["https://10.0.0.1:10250", "https://node-1:6443", "http://127.0.0.1:8001", "http://[::1]:8001"] {
            assert!(text.parse::<ServerUrl>().is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1:10255", "http://node", "ftp://127.0.0.1", "https://a/b", "https://u@a", "", "a:1"]
        {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn labels_have_names() {
        for text in ["app", "app.kubernetes.io/name", "a_b-c"] {
            assert!(text.parse::<LabelName>().is_ok(), "{text}");
        }
        for text in ["", "a b", "a=b", "ä", &"x".repeat(318)] {
            assert!(text.parse::<LabelName>().is_err(), "{text}");
        }
    }
}
