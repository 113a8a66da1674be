//! Addresses of servers with a protocol of their own.

use super::http::without_secrets;
use super::target::address;
use super::{Address, ConfigError};

/// `SCHEME://HOST[:PORT][/REST]`.
pub(super) struct Server<'a> {
    pub(super) address: Address,
    /// Whether the scheme is the one for TLS.
    pub(super) tls: bool,
    /// The part after the `/`.
    pub(super) rest: &'a str,
}

/// Parses the value of the key `url`. `schemes` are the one without TLS and the one with TLS; `usual` is the default
/// port. User and password have keys of their own.
pub(super) fn server<'a>(url: &'a str, schemes: [&str; 2], usual: u16) -> Result<Server<'a>, ConfigError> {
    let [plain, tls] = schemes;
    let error = |reason: &str| {
        let shown = without_secrets(url);
        let reason = format!("\"{shown}\" is not a server ({reason}); write {plain}://HOST:PORT or {tls}://HOST:PORT");
        ConfigError::Value { key: "url", reason }
    };
    let (scheme, host) = url.split_once("://").ok_or_else(|| error("it has no scheme"))?;
    if !schemes.contains(&scheme) {
        return Err(error("its scheme is not supported here"));
    }
    if host.contains('@') {
        return Err(error("set user and password with the keys `user` and `password`"));
    }
    let (host, rest) = host.split_once('/').unwrap_or((host, ""));
    Ok(Server { address: address(host, Some(usual)).map_err(error)?, tls: scheme == tls, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, bool, String), String> {
        let read = server(url, ["redis", "rediss"], 6379).map_err(|e| e.to_string())?;
        Ok((read.address.to_string(), read.tls, read.rest.to_owned()))
    }

    #[test]
    fn reads_scheme_host_port_and_rest() {
        assert_eq!(read("redis://a"), Ok(("a:6379".into(), false, String::new())));
        assert_eq!(read("rediss://[::1]:1/5"), Ok(("[::1]:1".into(), true, "5".into())));
    }

    #[test]
    fn says_what_is_wrong_without_a_password() {
        let wrong = read("redis://me:hush@a").unwrap_err();
        assert!(wrong.starts_with("`url`: \"…@a\" is not a server (set user and password"), "{wrong}");
        assert!(read("http://a").unwrap_err().contains("write redis://HOST:PORT or rediss://HOST:PORT"));
        assert!(read("a:6379").unwrap_err().contains("it has no scheme"));
    }
}
