//! A server's certificate.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the certificate says that a server of TLS 1.2 or earlier sends in clear.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// Distinguished name of the subject, as `C=US, O=Example, CN=example.com`; empty: it has none.
    pub subject: Arc<str>,
    /// Distinguished name of the issuer.
    pub issuer: Arc<str>,
    /// SHA-256 of the whole certificate, 64 hexadecimal digits.
    pub fingerprint: Arc<str>,
    /// Beginning of its validity, as `2026-01-31T23:59:59Z`.
    pub not_before: Arc<str>,
    /// End of its validity.
    pub not_after: Arc<str>,
}

impl Certificate {
    /// All its texts.
    #[must_use]
    pub const fn texts(&self) -> [&Arc<str>; 5] {
        let Self { subject, issuer, fingerprint, not_before, not_after } = self;
        [subject, issuer, fingerprint, not_before, not_after]
    }
}
