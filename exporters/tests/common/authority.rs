//! A certificate authority for one test, and servers with certificates of it.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// Certificate and key, as files.
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned() }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // openssl takes a certificate for its own issuer if both have the same name.
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        std::fs::write(file("crt"), cert.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        Identity { cert: file("crt"), key: file("key") }
    }

    /// Asks clients for a certificate of this authority when `strict`.
    pub(crate) fn server(&self, identity: &Identity, strict: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = if strict {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(&identity.cert).unwrap()];
        Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(&identity.key).unwrap()).unwrap())
    }
}

/// What each connection in turn brought until its end, or until there were `limits` octets of it; one per limit. A
/// connection with a limit is closed when `close` says so.
pub(crate) fn receive(
    listener: TcpListener,
    server: Arc<ServerConfig>,
    limits: Vec<usize>,
    close: Receiver<()>,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let address = listener.local_addr().unwrap();
    let read = move |limit: usize| {
        let (tcp, _): (TcpStream, _) = listener.accept().unwrap();
        let session = ServerConnection::new(server.clone()).unwrap();
        let (mut octets, mut buffer) = (Vec::new(), [0; 4096]);
        let mut stream = StreamOwned::new(session, tcp);
        while octets.len() < limit {
            match stream.read(&mut buffer) {
                Ok(n) if n > 0 => octets.extend_from_slice(&buffer[..n]),
                // The end, a cut connection, or a handshake that failed.
                _ => break,
            }
        }
        if octets.len() >= limit {
            close.recv().unwrap();
        }
        octets
    };
    (address, thread::spawn(move || limits.into_iter().map(read).collect()))
}
