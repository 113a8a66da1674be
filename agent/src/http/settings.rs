//! Makes listeners and access rules from options. Files are read while the process may still read them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::net::TcpSocket;

use super::access::check_addresses;
use super::limits;
use super::tls::Tls;
use super::token::{self, Token};
use crate::config::options::HttpOptions;
use crate::config::values::Listen;

/// Addresses of HTTP, and their access rules.
#[derive(Default)]
pub(crate) struct Settings {
    /// Addresses; empty: no HTTP.
    pub(super) listen: Vec<SocketAddr>,
    /// Whether the address is the default, so that the agent also starts if it is in use.
    is_default: bool,
    /// Addresses for metrics and health only; empty: none.
    pub(super) metrics_listen: Vec<SocketAddr>,
    pub(super) tls: Option<Tls>,
    pub(super) token: Option<Token>,
    /// Whether client certificates are trusted.
    pub(super) has_client_authority: bool,
}

impl Settings {
    /// Resolves addresses, and reads certificate, key, authorities and token.
    ///
    /// # Errors
    /// A file cannot be read or is invalid, or there is a certificate without a key, or a key without a certificate.
    pub(crate) fn read(o: &HttpOptions) -> Result<Self> {
        let (listen, metrics_listen) = addresses(o)?;
        if listen.is_empty() && metrics_listen.is_empty() {
            return Ok(Self::default());
        }
        let tls = tls_files(o)?.map(|(certificate, key)| Tls::read(certificate, key, o.tls_client_ca.as_deref()));
        Ok(Self {
            listen,
            is_default: o.listen.is_none(),
            metrics_listen,
            tls: tls.transpose()?,
            token: Token::given(o.token_file.as_deref())?,
            has_client_authority: o.tls_client_ca.is_some(),
        })
    }

    /// Checks whether the agent could listen on the addresses, without doing so. An address in use is not an error,
    /// because this agent may be using it.
    ///
    /// # Errors
    /// A configured address is not this host's, or needs privileges.
    pub(crate) fn try_addresses(&self) -> Result<()> {
        let main = if self.is_default { &[][..] } else { &self.listen };
        for (addresses, option) in [(main, "--listen"), (&self.metrics_listen, "--metrics-listen")] {
            try_address(addresses)
                .with_context(|| format!("cannot listen for HTTP; choose another address with {option} ADDR"))?;
        }
        Ok(())
    }

    /// `HTTP` or `HTTPS`.
    pub(super) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "HTTPS" } else { "HTTP" }
    }

    /// Whether clients must authenticate.
    pub(super) const fn has_credentials(&self) -> bool {
        self.token.is_some() || self.has_client_authority
    }

    /// Opens the ports.
    ///
    /// # Errors
    /// A configured port is in use or may not be used.
    pub(super) fn bind(&self) -> Result<[Option<TcpListener>; 2]> {
        let main = bind(&self.listen, "--listen");
        let main = match main {
            Err(e) if self.is_default => {
                tracing::warn!("{e:#}");
                None
            }
            main => main?,
        };
        Ok([main, bind(&self.metrics_listen, "--metrics-listen")?])
    }
}

/// The addresses of both listeners, checked.
fn addresses(o: &HttpOptions) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>)> {
    let listen = match &o.listen {
        Some(listen) => resolve(listen, "--listen")?,
        None => resolve(&Listen::At(HttpOptions::LISTEN.into()), "--listen")?,
    };
    let metrics_listen = resolve(o.metrics_listen.as_ref().unwrap_or(&Listen::Off), "--metrics-listen")?;
    let has_credentials = o.token_file.is_some() || token::is_in_environment() || o.tls_client_ca.is_some();
    check_addresses(&listen, has_credentials).map_err(|line| anyhow!("--listen: {line}"))?;
    let shared = listen.iter().find(|a| a.port() != 0 && metrics_listen.contains(a));
    ensure!(shared.is_none(), "--metrics-listen needs an address and port other than those of --listen");
    Ok((listen, metrics_listen))
}

fn try_address(addresses: &[SocketAddr]) -> Result<()> {
    let mut failed = None;
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        match socket.and_then(|s| s.bind(*address)) {
            Err(e) if e.kind() != ErrorKind::AddrInUse => failed = Some(anyhow!("{address}: {e}")),
            _ => return Ok(()),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn resolve(listen: &Listen, option: &str) -> Result<Vec<SocketAddr>> {
    let Listen::At(address) = listen else { return Ok(Vec::new()) };
    let found = address.to_socket_addrs();
    let found: Vec<_> = found
        .with_context(|| {
            format!(
                "{option} {address} is not an address to listen on; write HOST:PORT, such as 127.0.0.1:9435, or \"off\""
            )
        })?
        .collect();
    ensure!(!found.is_empty(), "{option} {address}: the name has no address");
    Ok(found)
}

fn bind(addresses: &[SocketAddr], option: &str) -> Result<Option<TcpListener>> {
    let Some(first) = addresses.first() else { return Ok(None) };
    let listener = TcpListener::bind(addresses).with_context(|| {
        format!("cannot listen on {first} for HTTP; choose another with {option} ADDR or {option} off")
    })?;
    // The standard library's backlog is too short for a flood of connections.
    rustix::net::listen(&listener, limits::ACCEPT_BACKLOG).context("cannot increase the backlog of the HTTP socket")?;
    listener.set_nonblocking(true).context("cannot make the HTTP socket non-blocking")?;
    Ok(Some(listener))
}

fn tls_files(o: &HttpOptions) -> Result<Option<(&Path, &Path)>> {
    match (&o.tls_cert, &o.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (Some(_), None) => bail!("--tls-cert FILE needs --tls-key FILE"),
        (None, Some(_)) => bail!("--tls-key FILE needs --tls-cert FILE"),
        (None, None) if o.tls_client_ca.is_some() => {
            bail!("--tls-client-ca FILE needs --tls-cert FILE and --tls-key FILE")
        }
        (None, None) => Ok(None),
    }
}
