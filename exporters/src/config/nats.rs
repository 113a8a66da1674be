//! Exporters to NATS.

use super::output::OutputConfig;
use super::server::server;
use super::table::Table;
use super::{Address, ConfigError, Secret, TlsConfig};
use crate::json::JsonKeys;

/// NATS's own port.
const PORT: u16 = 4222;

/// How pidflow authenticates to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// No authentication.
    None,
    /// A token.
    Token(Secret),
    /// A user and the password.
    Password(String, Secret),
    /// The text of a credentials file (JWT and NKEY seed).
    Credentials(Secret),
}

/// An exporter that publishes each record as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// The server.
    pub server: Address,
    /// None: TLS only if the server requires it.
    pub tls: Option<TlsConfig>,
    /// Subject of the messages; [`Self::FLOW_KEY`] in it stands for the key of the record's flow.
    pub subject: String,
    /// Whether a stream (JetStream) must acknowledge each message.
    pub jetstream: bool,
    /// User, token or credentials.
    pub login: NatsLogin,
    /// Keys of the JSON objects.
    pub keys: JsonKeys,
}

impl OutputConfig for NatsConfig {
    fn target(&self) -> String {
        format!("{} {}", self.url(), self.subject)
    }
}

impl NatsConfig {
    /// In a subject: the key of the record's flow, by which the server can divide messages (`{{partition(…)}}`) so that those of one flow
    /// stay together.
    pub const FLOW_KEY: &str = "{FLOW_KEY}";

    /// An exporter to `nats://HOST[:PORT]` or `tls://…`, with defaults for everything else.
    ///
    /// # Errors
    /// The address is malformed.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let read = server(url, ["nats", "tls"], PORT)?;
        let (tls, subject) = (read.tls.then(TlsConfig::default), "pidflow.flows".to_owned());
        let (login, keys) = (NatsLogin::None, JsonKeys::default());
        Ok(Self { server: read.address, tls, subject, jetstream: false, login, keys })
    }

    /// The keys `url`, `subject`, `jetstream`, `token`, `user`, `password`, `credentials`, `keys` and those of TLS.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let usual = Self::new(&url)?;
        let subject = table.read("subject", subject)?.unwrap_or(usual.subject);
        let jetstream = table.take("jetstream")?.unwrap_or(false);
        let login = NatsLogin::read(table)?;
        let keys = table.take("keys")?.unwrap_or_default();
        let tls = TlsConfig::read(table)?;
        Ok(Self { subject, jetstream, login, keys, tls: usual.tls.map(|_| tls), ..usual })
    }

    /// The server's address for display.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "tls" } else { "nats" };
        format!("{scheme}://{}", self.server)
    }
}

impl NatsLogin {
    fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let (token, credentials) = (table.take("token")?, table.take("credentials")?);
        let (user, password) = (table.take("user")?, table.take("password")?);
        match (token, credentials, user, password) {
            (None, None, None, None) => Ok(Self::None),
            (Some(token), None, None, None) => Ok(Self::Token(token)),
            (None, Some(credentials), None, None) => Ok(Self::Credentials(credentials)),
            (None, None, Some(user), Some(password)) => Ok(Self::Password(user, password)),
            (None, None, Some(_), None) => value("user", "it needs `password`"),
            (None, None, None, Some(_)) => value("password", "it needs `user`"),
            (Some(_), ..) => value("token", "it excludes `credentials`, `user` and `password`"),
            (None, Some(_), ..) => value("credentials", "it excludes `user` and `password`"),
        }
    }
}

fn value<T>(key: &'static str, reason: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Value { key, reason: reason.into() })
}

/// A subject to publish to: tokens between dots, none of them a wildcard.
fn subject(text: &str) -> Result<String, &'static str> {
    let is_token = |t: &str| !t.is_empty() && !["*", ">"].contains(&t);
    if text.replace(NatsConfig::FLOW_KEY, "").contains(['{', '}']) {
        return Err("allowed in braces is {FLOW_KEY} alone");
    }
    let ok = text.split('.').all(is_token) && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if ok { Ok(text.to_owned()) } else { Err("allowed are words with dots between them, without wildcards") }
}
