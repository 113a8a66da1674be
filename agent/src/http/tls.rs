//! TLS with a certificate and a key from PEM files, which ACME clients or cert-manager replace from time to time.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pidflow_exporters::regular_file;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::privileges::Role;
use crate::threads;

/// Interval between checks of the files. Certificates are renewed days before they expire.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The TLS server, and its files.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    files: Files,
}

impl Tls {
    /// TLS 1.2 and 1.3, HTTP/1.1. With client authorities, a client may present a certificate but need not: health
    /// probes have none, and TLS does not know which pages need one.
    pub(super) fn read(certificate: &Path, key: &Path, client_authorities: Option<&Path>) -> Result<Self> {
        let files = Files::read(certificate, key)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?;
        let builder = match client_authorities {
            Some(file) => builder.with_client_cert_verifier(client_verifier(file)?),
            None => builder.with_no_client_auth(),
        };
        let current: Arc<Current> = Arc::clone(&files.current);
        let mut config = builder.with_cert_resolver(current);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), files })
    }

    /// The acceptor. From now on it uses changes of the files within a minute; a separate thread checks them.
    pub(super) fn reloading(self) -> Result<TlsAcceptor> {
        let Self { acceptor, mut files } = self;
        let watch = move || {
            loop {
                thread::sleep(CHECK_INTERVAL);
                files.reload_and_log();
            }
        };
        threads::spawn_as(Role::Certificates, "certificates", watch)?;
        Ok(acceptor)
    }
}

/// The configuration for new connections.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The two files, and their last state.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: [Option<Stamp>; 2],
    current: Arc<Current>,
}

/// Identifies the state of a file: inode, length, and time of the last change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl Stamp {
    /// None: there is no such file at the moment.
    fn of(file: &Path) -> Option<Self> {
        let stamp = |m: Metadata| Self(m.ino(), m.len(), m.mtime(), m.mtime_nsec());
        file.metadata().ok().map(stamp)
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self> {
        // Taken before the files are read, so that what is written meanwhile is seen as a change later.
        let seen = [Stamp::of(certificate), Stamp::of(key)];
        let current = Arc::new(Current(RwLock::new(Arc::new(pair(certificate, key)?))));
        Ok(Self { certificate: certificate.into(), key: key.into(), seen, current })
    }

    /// Loads files that changed since the last check; none: nothing has changed. If certificate and key do not match
    /// (one of them may not be written yet), the old pair stays in use, and the error is reported once.
    fn reload(&mut self) -> Option<Result<()>> {
        let now = [Stamp::of(&self.certificate), Stamp::of(&self.key)];
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let take_up = |pair| *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        Some(pair(&self.certificate, &self.key).map(take_up))
    }

    fn reload_and_log(&mut self) {
        match self.reload() {
            None => {}
            Some(Ok(())) => tracing::info!("HTTPS uses the new certificate of {}", self.certificate.display()),
            Some(Err(e)) => tracing::error!("HTTPS keeps its current certificate: {e:#}"),
        }
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    CertifiedKey::from_der(chain(certificate)?, private_key(key)?, &ring::default_provider())
        .with_context(|| format!("{} and {} cannot be used for TLS", certificate.display(), key.display()))
}

/// Trusts certificates of these authorities, for clients (extended key usage `clientAuth`).
fn client_verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots
            .add(certificate)
            .with_context(|| format!("{} has a certificate that is not a CA certificate", file.display()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .with_context(|| format!("cannot use {} as client certificate authorities", file.display()))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed = || format!("cannot read the TLS certificate {}", file.display());
    let pem = regular_file::read(file).with_context(failed)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().with_context(failed)?;
    ensure!(!chain.is_empty(), "{}: no certificate; a PEM file is needed", file.display());
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let failed = || format!("cannot read the TLS key {}", file.display());
    PrivateKeyDer::from_pem_slice(&regular_file::read(file).with_context(failed)?).with_context(failed)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;

    struct Pair {
        certificate: String,
        key: String,
        der: CertificateDer<'static>,
    }

    impl Pair {
        fn new() -> Self {
            let Made { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            Self { certificate: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().clone() }
        }
    }

    /// Whether a client that trusts this certificate alone gets through the handshake.
    async fn is_served(acceptor: &TlsAcceptor, pair: &Pair) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(pair.der.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client =
            client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("localhost").unwrap();
        let (client, _) = tokio::join!(connector.connect(name, ours), acceptor.accept(theirs));
        client.is_ok()
    }

    #[tokio::test]
    async fn a_new_key_pair_is_loaded_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("certificate"), dir.path().join("key"));
        let put = |file: &Path, text: &str| {
            // As those do it who replace certificates: another file takes the name.
            let new = dir.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, file).unwrap();
        };
        let (first, second) = (Pair::new(), Pair::new());
        put(&certificate, &first.certificate);
        put(&key, &first.key);
        let Tls { acceptor, mut files } = Tls::read(&certificate, &key, None).unwrap();
        assert!(files.reload().is_none());
        assert!(is_served(&acceptor, &first).await && !is_served(&acceptor, &second).await);

        put(&certificate, &second.certificate);
        assert!(files.reload().unwrap().is_err(), "of the new pair one half is there");
        assert!(files.reload().is_none(), "that has been said");
        put(&key, second.key.get(..40).unwrap());
        assert!(files.reload().unwrap().is_err() && files.reload().is_none(), "the key is cut");
        std::fs::remove_file(&key).unwrap();
        assert!(files.reload().unwrap().is_err() && files.reload().is_none(), "there is none");
        put(&key, &second.key);
        assert!(is_served(&acceptor, &first).await, "not looked at yet");
        files.reload().unwrap().unwrap();
        assert!(is_served(&acceptor, &second).await && !is_served(&acceptor, &first).await);

        // Written in place, too.
        std::fs::write(&key, &first.key).unwrap();
        std::fs::write(&certificate, &first.certificate).unwrap();
        files.reload().unwrap().unwrap();
        assert!(is_served(&acceptor, &first).await);
    }
}
