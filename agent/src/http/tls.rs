//! TLS of the HTTP server.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Current, Watched, authorities, pair};

/// The TLS server, and its files.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    watched: Watched<CertifiedKey>,
}

impl Tls {
    /// TLS 1.2 and 1.3, HTTP/1.1. With client authorities, a client may present a certificate but need not: health
    /// probes have none, and TLS does not know which pages need one.
    pub(super) fn read(certificate: &Path, key: &Path, client_authorities: Option<&Path>) -> Result<Self> {
        let files = vec![certificate.to_owned(), key.to_owned()];
        let watched = Watched::read("HTTPS", files, |files| match files {
            [certificate, key] => pair(certificate, key),
            _ => anyhow::bail!("two files are needed"),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?;
        let builder = match client_authorities {
            Some(file) => builder.with_client_cert_verifier(client_verifier(file)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver(watched.current())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), watched })
    }

    /// The acceptor. From now on it uses changes of the files within a minute.
    pub(super) fn reloading(self) -> Result<TlsAcceptor> {
        let Self { acceptor, watched } = self;
        drop(watched.reloading()?);
        Ok(acceptor)
    }
}

/// Gives new connections the current certificate.
#[derive(Debug)]
struct Resolver(Arc<Current<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get())
    }
}

/// Trusts certificates of these authorities, for clients (extended key usage `clientAuth`).
fn client_verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .with_context(|| format!("cannot use {} as client certificate authorities", file.display()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
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
        let Tls { acceptor, mut watched } = Tls::read(&certificate, &key, None).unwrap();
        assert!(watched.reload().is_none());
        assert!(is_served(&acceptor, &first).await && !is_served(&acceptor, &second).await);

        put(&certificate, &second.certificate);
        assert!(watched.reload().unwrap().is_err(), "of the new pair one half is there");
        assert!(watched.reload().is_none(), "that has been said");
        put(&key, second.key.get(..40).unwrap());
        assert!(watched.reload().unwrap().is_err() && watched.reload().is_none(), "the key is cut");
        std::fs::remove_file(&key).unwrap();
        assert!(watched.reload().unwrap().is_err() && watched.reload().is_none(), "there is none");
        put(&key, &second.key);
        assert!(is_served(&acceptor, &first).await, "not looked at yet");
        watched.reload().unwrap().unwrap();
        assert!(is_served(&acceptor, &second).await && !is_served(&acceptor, &first).await);

        // Written in place, too.
        std::fs::write(&key, &first.key).unwrap();
        std::fs::write(&certificate, &first.certificate).unwrap();
        watched.reload().unwrap().unwrap();
        assert!(is_served(&acceptor, &first).await);
    }
}
