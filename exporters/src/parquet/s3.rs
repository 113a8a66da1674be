//! Stores complete files as objects, with requests that are signed (AWS Signature Version 4, as query parameters).

use std::time::Duration;

use rusty_s3::actions::{PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};

use crate::config::S3Config;
use crate::delivery::{Attempts, AttemptsEnd, Failure};
use crate::net::HttpClient;
use crate::sink::{Link, Loss};

/// How much longer a signature is valid than its request may take, for clocks that differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);

/// A bucket.
pub(super) struct S3 {
    bucket: Bucket,
    prefix: String,
    credentials: Credentials,
    http: HttpClient,
    attempts: Attempts,
}

impl S3 {
    /// Connects to nothing.
    ///
    /// # Errors
    /// The address or a certificate is wrong.
    pub(super) fn new(config: &S3Config) -> Result<Self, String> {
        let style = if config.is_virtual_hosted { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let endpoint = config.http.url.parse().map_err(|e| format!("`endpoint`: {e}"))?;
        let bucket = Bucket::new(endpoint, style, config.bucket.clone(), config.region.clone());
        let bucket = bucket.map_err(|e| format!("`url`: {e}"))?;
        let (key, secret, token) = &config.credentials;
        let credentials = match token {
            Some(token) => Credentials::new_with_token(key, secret.reveal(), token.reveal()),
            None => Credentials::new(key, secret.reveal()),
        };
        let attempts = Attempts { timeout: config.timeout, give_up: Some(config.give_up) };
        let http = HttpClient::new(&config.http)?;
        Ok(Self { bucket, prefix: config.prefix.clone(), credentials, http, attempts })
    }

    /// Stores the file under the prefix; it is there as a whole or not at all. Returns its size in bytes.
    ///
    /// # Errors
    /// The store refuses it, or cannot be reached for too long.
    pub(super) fn store(&self, name: &str, octets: &[u8], link: &mut Link) -> Result<u64, Loss> {
        let name = format!("{}/{name}", self.prefix);
        let name = name.trim_start_matches('/');
        match self.attempts.run(link, |_, limit| self.put(name, octets, limit)) {
            AttemptsEnd::Accepted => Ok(octets.len() as u64),
            AttemptsEnd::Refused => Err(Loss::Rejected),
            AttemptsEnd::GivenUp => Err(Loss::Unreachable),
            AttemptsEnd::Stopped => Err(Loss::Shutdown),
        }
    }

    fn put(&self, name: &str, octets: &[u8], limit: Duration) -> Result<(), Failure> {
        let signed = PutObject::new(&self.bucket, Some(&self.credentials), name).sign(limit + CLOCK_DIFFERENCE);
        let answer = self.http.put(signed.as_str(), octets, limit)?;
        if answer.is_success() { Ok(()) } else { Err(answer.refusal().failure) }
    }
}
