//! The server's certificate in the handshake of TLS 1.2 and earlier, which sends it in clear (RFC 5246 section 7.4.2).

use std::sync::Arc;

use pidflow_schema::record::Certificate;
use ring::digest::{SHA256, digest};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::text::visible_line;

const CERTIFICATE: u8 = 11;
/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The number of bytes after the ServerHello up to the end of the first certificate; none: they do not tell yet. 0: no certificate
/// follows.
pub(super) fn octets(behind: &[u8]) -> Option<usize> {
    match behind {
        [] => None,
        [CERTIFICATE, _, _, _, _, _, _, long, high, low, ..] => {
            Some(10 + (usize::from(*long) << 16 | usize::from(*high) << 8 | usize::from(*low)))
        }
        [CERTIFICATE, ..] => None,
        _ => Some(0),
    }
}

/// Reads the first certificate of the message, which is the server's.
pub(super) fn read(message: &[u8]) -> Option<Arc<Certificate>> {
    let encoded = message.get(10..octets(message)?)?;
    let (rest, certificate) = X509Certificate::from_der(encoded).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let name = |text: String| visible_line(text.as_bytes().get(..MAX_NAME).unwrap_or(text.as_bytes()));
    let fingerprint: String = digest(&SHA256, encoded).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let validity = certificate.validity();
    Some(Arc::new(Certificate {
        subject: name(certificate.subject().to_string()),
        issuer: name(certificate.issuer().to_string()),
        fingerprint: fingerprint.into(),
        not_before: time(validity.not_before),
        not_after: time(validity.not_after),
    }))
}

/// As ISO 8601 writes it.
fn time(time: ASN1Time) -> Arc<str> {
    let t = time.to_datetime();
    let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", t.hour(), t.minute(), t.second()).into()
}
