//! Access control: which client may read which page.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::Request;
use axum::http::{StatusCode, header};
use procfs::process::MountInfos;
use procfs::{FromBufRead, ProcError};

use super::client::Client;
use super::local_users::LocalUsers;
use super::problem::Problem;
use super::token::Token;
use crate::host_files;

/// Pages that every client may read, because health probes have no token.
pub(super) const HEALTH: [&str; 2] = ["/livez", "/readyz"];
/// Pages with metrics only. Their labels contain names of programs, users and addresses, but never command lines.
const FIGURES: [&str; 2] = ["/", "/metrics"];

/// The access rule of a listener. Every client may read health.
pub(super) enum Access {
    /// Every client. The listener serves only metrics and health.
    Open,
    /// Clients with the token, or with a certificate of a trusted authority.
    Credentials {
        /// None: only certificates give access.
        token: Option<Token>,
    },
    /// Loopback without credentials: the agent's own user and root may read everything, others only metrics.
    Local {
        /// None: the kernel does not report the owner of the client's socket.
        users: Option<Mutex<LocalUsers>>,
        /// Whether this host hides processes from other users; then the metrics, which contain their names, are hidden
        /// too.
        hides_processes: bool,
    },
}

impl Access {
    /// The rule for loopback without credentials.
    pub(super) fn local() -> Self {
        let users = LocalUsers::open().inspect_err(|e| {
            tracing::warn!("cannot determine which user connects ({e}), so /api is refused to all users; set --token-file FILE to allow clients with a token");
        });
        Self::Local { users: users.ok().map(Mutex::new), hides_processes: hides_processes() }
    }

    /// Refuses clients that may not read the page.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        let path = request.uri().path();
        if HEALTH.contains(&path) {
            return Ok(());
        }
        let client = request.extensions().get::<Client>();
        match self {
            Self::Open => Ok(()),
            Self::Credentials { token } => check_credentials(token.as_ref(), request, client),
            Self::Local { hides_processes: false, .. } if FIGURES.contains(&path) => Ok(()),
            Self::Local { users, .. } => check_user(users.as_ref(), client),
        }
    }
}

fn check_credentials(token: Option<&Token>, request: &Request, client: Option<&Client>) -> Result<(), Problem> {
    let given = request.headers().get(header::AUTHORIZATION);
    let has_token = || token.zip(given).is_some_and(|(token, value)| token.is_in(value.as_bytes()));
    if client.is_some_and(|c| c.has_certificate) || has_token() {
        return Ok(());
    }
    Err(match token {
        Some(_) => Problem::new(StatusCode::UNAUTHORIZED, "a bearer token is needed: Authorization: Bearer TOKEN"),
        None => Problem::new(StatusCode::FORBIDDEN, "a client certificate is needed (--tls-client-ca)"),
    })
}

fn check_user(users: Option<&Mutex<LocalUsers>>, client: Option<&Client>) -> Result<(), Problem> {
    let is_trusted = |(users, client): (&Mutex<LocalUsers>, _)| {
        users.lock().unwrap_or_else(PoisonError::into_inner).is_trusted(client)
    };
    if users.zip(client).is_some_and(is_trusted) {
        return Ok(());
    }
    let line = "on loopback only root and the agent's own user may read this page; \
                for others start pidflow with --token-file FILE";
    Err(Problem::new(StatusCode::FORBIDDEN, line))
}

/// Whether /proc is mounted with `hidepid` (proc(5)), or that cannot be found out. Any user who may mount can name a mount
/// point with bytes that are not UTF-8.
fn hides_processes() -> bool {
    let text = host_files::read("/proc/self/mountinfo").map_err(ProcError::from);
    let Ok(MountInfos(mounts)) = text.and_then(|text| MountInfos::from_buf_read(text.as_bytes())) else { return true };
    let proc = mounts.iter().rfind(|m| m.mount_point == std::path::Path::new("/proc"));
    let option = proc.and_then(|m| m.super_options.get("hidepid")?.as_deref());
    option.is_some_and(|level| level != "0" && level != "off")
}

/// Checked before anything is attached, so that the pages are never readable by every client that reaches this host.
pub(super) fn check_addresses(addresses: &[SocketAddr], has_credentials: bool) -> Result<(), String> {
    match addresses.iter().find(|a| !a.ip().to_canonical().is_loopback()) {
        Some(address) if !has_credentials => Err(format!(
            "every client that reaches {address} could read flows and processes: give --token-file FILE or --tls-client-ca FILE, \
             or serve only metrics and health there with --metrics-listen {address} and the rest on loopback"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_credentials() {
        let check = |address: &str| check_addresses(&[address.parse().unwrap()], false);
        for open in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check(open), Ok(()), "{open}");
        }
        for closed in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[fe80::1]:1", "[::ffff:192.0.2.1]:1", "128.0.0.1:1"] {
            let line = check(closed).unwrap_err();
            assert!(line.contains("--token-file") && line.contains(closed) && line.lines().count() == 1, "{line}");
        }
        assert_eq!(check_addresses(&["0.0.0.0:1".parse().unwrap()], true), Ok(()));
        let both = ["127.0.0.1:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap()];
        assert!(check_addresses(&both, false).is_err(), "a name may stand for several addresses");
    }
}
