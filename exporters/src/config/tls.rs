//! TLS towards a receiver: trusted authorities and own certificate.

use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;

use super::certificates::check_tls;
use super::table::Table;
use super::{ConfigError, Secret};

/// Settings of a TLS client. The files are read with the configuration, so that a reload reads renewed ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// Certificates (PEM) of the authorities to trust; none: the system's.
    pub ca: Option<Vec<u8>>,
    /// Certificate chain (PEM) and private key (PEM) of the client; none: no client certificate.
    pub identity: Option<(Vec<u8>, Secret)>,
    /// Name that the receiver's certificate must have; none: that of its address.
    pub server_name: Option<String>,
    /// Accepts any certificate. For tests only: it gives no protection.
    pub insecure: bool,
}

impl TlsConfig {
    /// The keys `tls-ca`, `tls-cert`, `tls-key` and `tls-insecure`.
    pub(crate) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let ca = pem(table, "tls-ca")?;
        let (cert, key) = (pem(table, "tls-cert")?, pem(table, "tls-key")?);
        let missing = if cert.is_some() { "tls-key" } else { "tls-cert" };
        let reason = "tls-cert and tls-key are needed together";
        let identity = identity(cert, key).map_err(|()| ConfigError::Value { key: missing, reason: reason.into() })?;
        let insecure = table.take("tls-insecure")?.unwrap_or(false);
        let config = Self { ca, identity, server_name: None, insecure };
        check_tls(&config).map_err(|(key, reason)| ConfigError::Value { key, reason })?;
        Ok(config)
    }

    /// These keys and `tls-server-name`. Not for HTTP receivers, whose certificate must have the name of the address.
    pub(crate) fn read_with_name(table: &mut Table) -> Result<Self, ConfigError> {
        Ok(Self { server_name: server_name(table)?, ..Self::read(table)? })
    }
}

/// The key `tls-server-name`.
pub(super) fn server_name(table: &mut Table) -> Result<Option<String>, ConfigError> {
    table.read("tls-server-name", |name| match ServerName::try_from(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(format!("\"{name}\" is not a valid TLS server name; allowed are a host name and an address")),
    })
}

fn pem(table: &mut Table, key: &'static str) -> Result<Option<Vec<u8>>, ConfigError> {
    let path: Option<PathBuf> = table.take(key)?;
    path.map(|p| read_pem(&p)).transpose().map_err(|reason| ConfigError::Value { key, reason })
}

/// Certificate chain and key, which must both be given.
pub(super) fn identity(cert: Option<Vec<u8>>, key: Option<Vec<u8>>) -> Result<Option<(Vec<u8>, Secret)>, ()> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, Secret::new(&String::from_utf8_lossy(&key))))),
        (None, None) => Ok(None),
        _ => Err(()),
    }
}

pub(super) fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    let text = crate::regular_file::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let is_pem = text.windows(11).any(|w| w == b"-----BEGIN ");
    if is_pem { Ok(text) } else { Err(format!("{} is not PEM", path.display())) }
}
