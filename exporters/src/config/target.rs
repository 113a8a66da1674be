//! Destinations of IPFIX and NetFlow v9: `udp://HOST:PORT`, `tcp://HOST:PORT`, `tls://HOST:PORT`, `file:PATH`.

use std::fmt;
use std::path::PathBuf;

use super::http::without_secrets;

/// Port of IPFIX (IANA).
const IPFIX_PORT: u16 = 4739;
/// Port of IPFIX over TLS (IANA).
const IPFIXS_PORT: u16 = 4740;
/// Port that NetFlow v9 collectors usually listen on.
const NETFLOW_PORT: u16 = 2055;
/// Default message size over UDP, bytes: fits an Ethernet path, with room for tunnels.
const UDP_MESSAGE: usize = 1420;
/// Default message size over connections, bytes: larger messages need fewer writes.
const STREAM_MESSAGE: usize = 16_384;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Destination of messages. Displays as the URL that it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One message per datagram.
    Udp(Address),
    /// Messages in sequence.
    Tcp(Address),
    /// Like `Tcp`, inside TLS (RFC 7011 section 11.1).
    Tls(Address),
    /// Appended to a file (RFC 5655).
    File(PathBuf),
}

/// A collector's address is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{url}` is not a collector's address ({reason}); write udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or file:PATH"
)]
pub struct TargetError {
    url: String,
    reason: &'static str,
}

impl Target {
    /// Reads `udp://HOST[:PORT]`, `tcp://HOST[:PORT]`, `tls://HOST[:PORT]` or `file:PATH`; without a scheme, UDP. The
    /// usual port is 4739 for IPFIX, 4740 with TLS, 2055 for NetFlow v9.
    ///
    /// # Errors
    /// The text is not such an address.
    pub fn parse(url: &str, ipfix: bool) -> Result<Self, TargetError> {
        let error = |reason| TargetError { url: without_secrets(url), reason };
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(error("it names no file")) } else { Ok(Self::File(path.into())) };
        }
        let (kind, rest): (fn(Address) -> Self, _) = match url.split_once("://") {
            Some(("udp", rest)) => (Self::Udp, rest),
            Some(("tcp", rest)) => (Self::Tcp, rest),
            Some(("tls", rest)) => (Self::Tls, rest),
            Some(_) => return Err(error("its scheme is not udp, tcp, tls or file")),
            None => (Self::Udp, url),
        };
        let usual = match (ipfix, url.starts_with("tls:")) {
            (true, false) => IPFIX_PORT,
            (true, true) => IPFIXS_PORT,
            (false, _) => NETFLOW_PORT,
        };
        Ok(kind(address(rest, Some(usual)).map_err(error)?))
    }

    pub(super) const fn default_message(&self) -> usize {
        match self {
            Self::Udp(_) => UDP_MESSAGE,
            Self::Tcp(_) | Self::Tls(_) | Self::File(_) => STREAM_MESSAGE,
        }
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Tls(_))
    }
}

/// Parses `HOST:PORT`, and `HOST` if there is a default port. The crate `url` is not used, because it does not support
/// addresses without a scheme or IPv6 zones (`fe80::1%eth0`), and rewrites hosts.
pub(super) fn address(text: &str, usual: Option<u16>) -> Result<Address, &'static str> {
    let (host, port) = host_and_port(text.trim_end_matches('/'))?;
    if host.is_empty() || host.contains(['/', '@', ' ', '[', ']']) {
        return Err("its host is not a name or an address");
    }
    let port = port.or(usual).ok_or("it names no port")?;
    Ok(Address { host: host.to_owned(), port })
}

/// Splits `name:1`, `1.2.3.4:1`, `[::1]:1`, and each without a port; a bare IPv6 address has none.
fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("the ] is not followed by :PORT")?)),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
    };
    let port = port.map(|p| p.parse().map_err(|_| "its port is not a number up to 65535")).transpose()?;
    if port == Some(0) { Err("port 0 is not a valid destination") } else { Ok((host, port)) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Target::parse(url, true).map_or_else(|e| e.reason.to_owned(), |t| t.to_string())
    }

    #[test]
    fn reads_names_and_both_families() {
        assert_eq!(shown("udp://collector.example:9995"), "udp://collector.example:9995");
        assert_eq!(shown("tcp://[2001:db8::1]:1"), "tcp://[2001:db8::1]:1");
        assert_eq!(shown("[::1]"), "udp://[::1]:4739");
        assert_eq!(shown("fe80::1%eth0"), "udp://[fe80::1%eth0]:4739");
        assert_eq!(shown("udp://10.0.0.1/"), "udp://10.0.0.1:4739");
        assert_eq!(Target::parse("localhost", false).unwrap().to_string(), "udp://localhost:2055");
        assert_eq!((shown("tls://a"), shown("tcp://a")), ("tls://a:4740".into(), "tcp://a:4739".into()));
        assert_eq!((shown("file:a.ipfix"), shown("file:///tmp/a")), ("file:a.ipfix".into(), "file:/tmp/a".into()));
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!(shown("sctp://a:1"), "its scheme is not udp, tcp, tls or file");
        assert_eq!(shown("file://"), "it names no file");
        assert_eq!(shown("udp://a:70000"), "its port is not a number up to 65535");
        assert_eq!(shown("udp://a:0"), "port 0 is not a valid destination");
        assert_eq!(shown("udp://:1"), "its host is not a name or an address");
        assert_eq!(shown("udp://[::1]x"), "the ] is not followed by :PORT");
        assert_eq!(shown("udp://user@host:1"), "its host is not a name or an address");
    }
}
