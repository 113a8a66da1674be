//! A TLS client, with rustls.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{TlsConfig, certificates};

/// Opens TLS sessions with one receiver.
#[derive(Clone)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// `host` is the name or address that the receiver's certificate must have, unless the configuration sets another.
    pub(crate) fn new(config: &TlsConfig, host: &str) -> Result<Self, String> {
        let name = config.server_name.as_deref().unwrap_or(host);
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| format!("\"{name}\" is not a valid TLS server name"))?;
        Ok(Self { config: Arc::new(client(config)?), name })
    }

    /// The TLS configuration, for clients that open their sessions themselves.
    #[cfg(feature = "nats")]
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// A session. The handshake happens with the first bytes.
    pub(super) fn session(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(self.config.clone(), self.name.clone()).map_err(io::Error::other)
    }
}

/// The provider of cryptography for all sessions.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn client(config: &TlsConfig) -> Result<ClientConfig, String> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let builder = if config.insecure {
        builder.dangerous().with_custom_certificate_verifier(takes_any())
    } else {
        builder.with_root_certificates(roots(config)?)
    };
    match identity(config)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|e| format!("tls-cert, tls-key: {e}")),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The certificates to trust: the configured ones, otherwise the system's.
pub(crate) fn authorities(config: &TlsConfig) -> Result<Vec<CertificateDer<'static>>, String> {
    match &config.ca {
        Some(pem) => certificates(pem).map_err(|e| format!("tls-ca: {e}")),
        None => Ok(rustls_native_certs::load_native_certs().certs),
    }
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(authorities(config)?);
    match added {
        0 => Err("no trusted certificate authority; set tls-ca, or install ca-certificates".into()),
        _ => Ok(roots),
    }
}

/// The client's certificate chain and private key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The client certificate, if there is one.
pub(crate) fn identity(config: &TlsConfig) -> Result<Option<Identity>, String> {
    let Some((chain, key)) = &config.identity else { return Ok(None) };
    let chain = certificates(chain).map_err(|e| format!("tls-cert: {e}"))?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|e| format!("tls-key: {e}"))?;
    Ok(Some((chain, key)))
}

/// Accepts any certificate: `tls-insecure`.
pub(crate) fn takes_any() -> Arc<dyn ServerCertVerifier> {
    Arc::new(AcceptAnyCertificate(provider()))
}

/// Verifies only that the receiver has the certificate's private key.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
