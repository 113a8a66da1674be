//! From options to what guards the port, with files read while that is still allowed.

use std::path::Path;

use anyhow::{Result, bail};

use super::tls::Tls;
use super::token::Token;
use crate::config::options::HttpOptions;

/// What guards the port.
#[derive(Default)]
pub(crate) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) token: Option<Token>,
}

impl Settings {
    /// Reads certificate, key and token.
    ///
    /// # Errors
    /// A file cannot be read or is not what it should be, or [`Self::check`] fails.
    pub(crate) fn read(o: &HttpOptions) -> Result<Self> {
        if o.listen.as_deref() == Some("off") {
            return Ok(Self::default());
        }
        let tls = tls_files(o)?.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?;
        Ok(Self { tls, token: Token::given(o.token_file.as_deref())? })
    }

    /// What can be told without the files, which may be on another machine.
    ///
    /// # Errors
    /// There is a certificate without a key, or a key without a certificate.
    pub(crate) fn check(o: &HttpOptions) -> Result<()> {
        tls_files(o).map(drop)
    }

    /// `HTTP` or `HTTPS`.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "HTTPS" } else { "HTTP" }
    }

    /// Whether a token is asked for.
    pub(crate) const fn asks_for_token(&self) -> bool {
        self.token.is_some()
    }
}

fn tls_files(o: &HttpOptions) -> Result<Option<(&Path, &Path)>> {
    match (&o.tls_cert, &o.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("--tls-cert FILE needs --tls-key FILE"),
        (None, Some(_)) => bail!("--tls-key FILE needs --tls-cert FILE"),
    }
}
