//! An S3-compatible store: `s3://BUCKET/PREFIX`, with credentials where AWS' own tools look for them.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::Lookup;
use super::table::Table;
use super::{ConfigError, DeliveryConfig, HttpConfig, Secret, TlsConfig};
use crate::regular_file;

const SCHEME: &str = "s3://";
const DEFAULT_REGION: &str = "us-east-1";
/// Length of a bucket's name (Amazon S3, "Bucket naming rules").
const BUCKET_LENGTH: std::ops::RangeInclusive<usize> = 3..=63;

/// A place in an S3-compatible store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// What all objects' names begin with, without `/` at its ends; may be empty.
    pub prefix: String,
    /// The server, and how its certificate is verified.
    pub http: HttpConfig,
    /// Whether the bucket is part of the host's name, as Amazon wants it, and not of the path.
    pub is_virtual_hosted: bool,
    /// Region of the signature.
    pub region: String,
    /// The access key's id, the secret key, and the token of temporary ones.
    pub credentials: (String, Secret, Option<Secret>),
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long an object is tried before its records are given up.
    pub give_up: Duration,
}

impl S3Config {
    /// Whether the text is an address of a store.
    #[must_use]
    pub fn is_address(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// As displayed.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    /// Reads the address, and everything else from AWS' variables and file of credentials.
    ///
    /// # Errors
    /// The address is malformed, or there are no credentials.
    pub fn new(address: &str, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Given::default().complete(address, lookup)
    }

    /// The keys `endpoint`, `region`, `access-key-id`, `secret-access-key`, `session-token`, those of TLS, `timeout-seconds` and
    /// `give-up-seconds`.
    pub(super) fn read(address: &str, table: &mut Table, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let given = Given {
            endpoint: table.take("endpoint")?,
            region: table.take("region")?,
            key: table.take("access-key-id")?,
            secret: table.take("secret-access-key")?,
            token: table.take("session-token")?,
        };
        let mut config = given.complete(address, lookup)?;
        config.http.tls = TlsConfig::read(table)?;
        config.timeout = table.seconds("timeout-seconds", config.timeout)?;
        config.give_up = table.seconds("give-up-seconds", config.give_up)?;
        Ok(config)
    }
}

/// What the table says.
#[derive(Default)]
struct Given {
    endpoint: Option<String>,
    region: Option<String>,
    key: Option<String>,
    secret: Option<Secret>,
    token: Option<Secret>,
}

impl Given {
    fn complete(self, address: &str, lookup: Lookup<'_>) -> Result<S3Config, ConfigError> {
        let (bucket, prefix) = bucket(address)?;
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let region = self.region.or_else(|| set("AWS_REGION")).or_else(|| set("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let endpoint = self.endpoint.or_else(|| set("AWS_ENDPOINT_URL_S3")).or_else(|| set("AWS_ENDPOINT_URL"));
        let is_virtual_hosted = endpoint.is_none();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let http = HttpConfig::new(&endpoint).map_err(|e| value("endpoint", &e.to_string().replace('`', "")))?;
        let credentials = match (self.key, self.secret) {
            (Some(key), Some(secret)) => (key, secret, self.token),
            (None, None) => found(&set)?,
            (Some(_), None) => return Err(value("access-key-id", "it needs `secret-access-key`")),
            (None, Some(_)) => return Err(value("secret-access-key", "it needs `access-key-id`")),
        };
        let DeliveryConfig { timeout, give_up, .. } = DeliveryConfig::default();
        // An object is larger than the requests for which the usual time is meant.
        let timeout = timeout * 6;
        Ok(S3Config { bucket, prefix, http, is_virtual_hosted, region, credentials, timeout, give_up })
    }
}

fn value(key: &'static str, reason: &str) -> ConfigError {
    ConfigError::Value { key, reason: reason.to_owned() }
}

/// The bucket and the prefix of the address.
fn bucket(address: &str) -> Result<(String, String), ConfigError> {
    let rest = address.strip_prefix(SCHEME).unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    if !BUCKET_LENGTH.contains(&bucket.len()) || !bucket.chars().all(is_plain) {
        return Err(value(
            "url",
            "write s3://BUCKET/PREFIX; a bucket's name has 3 to 63 lower-case letters, digits, . and -",
        ));
    }
    Ok((bucket.to_owned(), prefix.trim_matches('/').to_owned()))
}

/// Credentials from the variables, otherwise from the file.
fn found(set: &dyn Fn(&str) -> Option<String>) -> Result<(String, Secret, Option<Secret>), ConfigError> {
    if let (Some(key), Some(secret)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        return Ok((key, Secret::new(&secret), set("AWS_SESSION_TOKEN").map(|token| Secret::new(&token))));
    }
    let missing = |reason: String| value("access-key-id", &reason);
    let file = set("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let file = file.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".aws/credentials")));
    let file = file
        .ok_or_else(|| missing("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into()))?;
    let profile = set("AWS_PROFILE").unwrap_or_else(|| "default".into());
    let bytes = regular_file::read(&file)
        .map_err(|e| missing(format!("AWS_ACCESS_KEY_ID is not set, and {} cannot be read: {e}", file.display())))?;
    of_profile(&String::from_utf8_lossy(&bytes), &profile)
        .ok_or_else(|| missing(format!("{} has no keys for the profile {profile}", file.display())))
}

/// The keys of a profile in a file of credentials (AWS SDKs and Tools Reference Guide, "Shared config and credentials files").
fn of_profile(text: &str, profile: &str) -> Option<(String, Secret, Option<Secret>)> {
    let header = format!("[{profile}]");
    let lines = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let pairs: Vec<_> = lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with(['#', ';']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let of = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let secret = Secret::new(of("aws_secret_access_key")?);
    Some((of("aws_access_key_id")?.to_owned(), secret, of("aws_session_token").map(Secret::new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, variables: &[(&str, &str)]) -> Result<S3Config, String> {
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        S3Config::new(address, &lookup).map_err(|e| e.to_string())
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hush")];

    #[test]
    fn amazon_is_the_default_and_variables_name_another_server() {
        let amazon = read("s3://flows/a/b/", &KEYS).unwrap();
        assert_eq!((amazon.http.url.as_str(), amazon.is_virtual_hosted), ("https://s3.us-east-1.amazonaws.com", true));
        assert_eq!((amazon.prefix.as_str(), amazon.address().as_str()), ("a/b", "s3://flows/a/b"));
        assert!(!format!("{amazon:?}").contains("hush"));
        let more = [("AWS_REGION", "eu-1"), ("AWS_ENDPOINT_URL", "http://minio:9000"), ("AWS_SESSION_TOKEN", "t")];
        let other = read("s3://flows", &[&KEYS[..], &more].concat()).unwrap();
        assert_eq!((other.http.url.as_str(), other.is_virtual_hosted), ("http://minio:9000", false));
        assert_eq!((other.region.as_str(), other.credentials.2.is_some()), ("eu-1", true));
    }

    #[test]
    fn credentials_come_from_the_file_of_the_profile() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# keys\n[other]\naws_access_key_id=x\n[me]\naws_access_key_id = id\naws_secret_access_key=se=cret\n\n[z]\naws_session_token=t\n";
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        let of = |profile| read("s3://flows", &[("AWS_SHARED_CREDENTIALS_FILE", path), ("AWS_PROFILE", profile)]);
        let (id, secret, token) = of("me").unwrap().credentials;
        assert_eq!((id.as_str(), secret.reveal(), token), ("id", "se=cret", None));
        assert!(of("other").unwrap_err().contains("has no keys for the profile other"));
        assert!(read("s3://flows", &[("HOME", "/no/such")]).unwrap_err().contains("/no/such/.aws/credentials"));
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for wrong in ["s3://", "s3://ab", "s3://Flows", "s3:///x", "s3://a_b_c"] {
            assert!(read(wrong, &KEYS).unwrap_err().contains("s3://BUCKET/PREFIX"), "{wrong}");
        }
        let bad = [&KEYS[..], &[("AWS_ENDPOINT_URL", "minio:9000")]].concat();
        assert!(read("s3://flows", &bad).unwrap_err().contains("endpoint"));
    }
}
