//! TLS of the ports of exporters (RFC 7011 section 10.4.3 and 11).

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use crate::certificates::{Current, Watched, authorities, pair};
use crate::config::CollectOptions;
use crate::config::values::FilePath;

/// The configuration of new connections.
pub(super) type CurrentTls = Arc<Current<ServerConfig>>;

/// Reads the files of the options; none: there are no ports with TLS.
///
/// # Errors
/// An option is missing, or a file cannot be used.
pub(super) fn read(options: &CollectOptions) -> Result<Option<Watched<ServerConfig>>> {
    let CollectOptions { ipfix_tls, tls_cert, tls_key, tls_client_ca, .. } = options;
    let file = |file: &FilePath| PathBuf::from(&**file);
    let given = [tls_cert, tls_key, tls_client_ca].map(|given| given.as_ref().map(file));
    match given {
        [Some(certificate), Some(key), authority] if !ipfix_tls.is_empty() => {
            let files = [Some(certificate), Some(key), authority].into_iter().flatten().collect();
            Watched::read("the port of exporters", files, config).map(Some)
        }
        [None, None, None] if ipfix_tls.is_empty() => Ok(None),
        _ if ipfix_tls.is_empty() => {
            bail!("--collect-tls-cert, --collect-tls-key and --collect-tls-client-ca need --ipfix-tls ADDR")
        }
        _ => bail!("--ipfix-tls ADDR needs --collect-tls-cert FILE and --collect-tls-key FILE"),
    }
}

/// TLS 1.2 and 1.3 with certificate and key, and the authority of clients, who then must have a certificate.
fn config(files: &[PathBuf]) -> Result<ServerConfig> {
    let [certificate, key, rest @ ..] = files else { bail!("a certificate and a key are needed") };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?;
    let builder = match rest.first() {
        Some(file) => {
            let roots = Arc::new(authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let failed = || format!("cannot use {} as client certificate authorities", file.display());
            builder.with_client_cert_verifier(verifier.with_context(failed)?)
        }
        None => builder.with_no_client_auth(),
    };
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(pair(certificate, key)?));
    Ok(builder.with_cert_resolver(resolver))
}
