//! Certificates and keys in PEM.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsConfig;

/// The certificates of the text, in its order.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// Checks the files, and names the key whose file is not usable.
pub(super) fn check_tls(config: &TlsConfig) -> Result<(), (&'static str, String)> {
    let what = "PEM certificates (-----BEGIN CERTIFICATE-----)";
    let has_certificates = |key, pem: &[u8]| match certificates(pem) {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err((key, format!("the file contains no certificate; it must contain {what}"))),
        Err(e) => Err((key, format!("{e}; the file must contain {what}"))),
    };
    if let Some(ca) = &config.ca {
        has_certificates("tls-ca", ca)?;
        let usable = certificates(ca).is_ok_and(|found| RootCertStore::empty().add_parsable_certificates(found).0 > 0);
        usable
            .then_some(())
            .ok_or(("tls-ca", format!("no certificate in the file is valid; it must contain {what}")))?;
    }
    let Some((chain, key)) = &config.identity else { return Ok(()) };
    has_certificates("tls-cert", chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes());
    key.map(drop).map_err(|e| ("tls-key", format!("{e}; the file must contain a PEM private key without a passphrase")))
}
