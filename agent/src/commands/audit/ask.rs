//! The request to a running agent.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use pidflow_exporters::regular_file;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::cli::AuditArgs;
use crate::config::options::HttpOptions;
use crate::config::values::Listen;
use crate::failure::one_line;
use crate::http::Token;

/// Time limit for the answer. The agent answers within milliseconds, a busy one within seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The agent's ledger as JSON.
///
/// # Errors
/// The agent cannot be reached or does not answer this user.
pub(super) fn ledger(args: &AuditArgs) -> Result<String> {
    let address = match &args.listen {
        Some(Listen::At(address)) => address.as_str(),
        Some(Listen::Off) => bail!("--listen off: an agent without HTTP cannot be asked"),
        None => HttpOptions::LISTEN,
    };
    let scheme = if args.tls_ca.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/api/ledger");
    let mut request = agent(args)?.get(&url);
    if let Some(token) = Token::given(args.token_file.as_deref())? {
        request = request.header("authorization", token.header());
    }
    let mut answer = request.call().map_err(|e| no_answer(address, &e))?;
    let (status, body) = (answer.status(), answer.body_mut().read_to_string());
    let body = body.with_context(|| format!("the answer of {address} ended early"))?;
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::NOT_FOUND => {
            bail!("{address} has no ledger: it is an older version of pidflow, or another program")
        }
        StatusCode::UNAUTHORIZED => {
            bail!("{address} requires the agent's token; give it with --token-file FILE or PIDFLOW_TOKEN")
        }
        _ => bail!("{address} refuses ({status}): {}", one_line(&body)),
    }
}

/// The error, and what to check.
fn no_answer(address: &str, e: &ureq::Error) -> anyhow::Error {
    match e {
        ureq::Error::Io(e) if e.kind() == ErrorKind::InvalidData => anyhow!(
            "cannot verify {address} ({e}); an authority in --tls-ca must have issued its certificate, which must name the host of --listen"
        ),
        ureq::Error::Protocol(e) => {
            anyhow!("{address} does not answer in HTTP ({e}); for an agent that serves HTTPS, add --tls-ca FILE")
        }
        e => {
            let why = if let ureq::Error::Io(e) = e { e.to_string() } else { e.to_string() };
            anyhow!(
                "no agent answers at {address} ({why}); check that \"pidflow run\" is running, and that its --listen is this address"
            )
        }
    }
}

fn agent(args: &AuditArgs) -> Result<ureq::Agent> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    // Proxies from the environment are ignored, because the agent is usually on loopback.
    let config = config.proxy(None).timeout_global(Some(TIMEOUT));
    let config = match args.tls_ca.as_deref() {
        Some(file) => config.tls_config(trusting(file)?),
        None => config,
    };
    Ok(config.build().new_agent())
}

fn trusting(file: &Path) -> Result<TlsConfig> {
    let failed = || format!("cannot read certificates from {}", file.display());
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&regular_file::read(file).with_context(failed)?).collect();
    let all: Vec<_> = all.with_context(failed)?.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
    ensure!(!all.is_empty(), "{} holds no certificate", file.display());
    let config = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&all));
    Ok(config.unversioned_rustls_crypto_provider(std::sync::Arc::new(ring::default_provider())).build())
}
