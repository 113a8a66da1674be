//! Exporters to Redis.

use super::http::without_secrets;
use super::output::OutputConfig;
use super::server::server;
use super::table::Table;
use super::{Address, ConfigError, Secret, TlsConfig};
use crate::json::JsonKeys;

/// Redis's own port.
const PORT: u16 = 6379;

/// An exporter that appends records to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// The server.
    pub server: Address,
    /// None: without TLS.
    pub tls: Option<TlsConfig>,
    /// Number of the database.
    pub database: u32,
    /// The list's key.
    pub key: String,
    /// User (Redis 6 and later); none: the default user.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Maximum length of the list, which keeps the newest entries; none: no limit.
    pub max_length: Option<u64>,
    /// Keys of the JSON objects.
    pub keys: JsonKeys,
}

impl OutputConfig for RedisConfig {
    fn target(&self) -> String {
        format!("{} {}", self.url(), self.key)
    }
}

impl RedisConfig {
    /// An exporter to `redis://HOST[:PORT][/DATABASE]` or `rediss://…`, with defaults for everything else.
    ///
    /// # Errors
    /// The address is malformed.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let read = server(url, ["redis", "rediss"], PORT)?;
        let database = match read.rest {
            "" => 0,
            number => number.parse().map_err(|_| ConfigError::Value {
                key: "url",
                reason: format!(
                    "\"{}\" is not a database's number; write redis://HOST:PORT/NUMBER",
                    without_secrets(number)
                ),
            })?,
        };
        Ok(Self {
            server: read.address,
            tls: read.tls.then(TlsConfig::default),
            database,
            key: "pidflow.flows".into(),
            user: None,
            password: None,
            max_length: None,
            keys: JsonKeys::default(),
        })
    }

    /// The keys `url`, `key`, `user`, `password`, `max-length`, `keys` and those of TLS.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let url: String = table.need("url")?;
        let usual = Self::new(&url)?;
        let key: Option<String> = table.take("key")?;
        let (user, password) = (table.take("user")?, table.take("password")?);
        if user.is_some() && password.is_none() {
            return Err(ConfigError::Value { key: "user", reason: "it needs `password`".into() });
        }
        let max_length = match table.number("max-length", 0, (1, 1 << 32))? {
            0 => None,
            length => Some(length),
        };
        let keys = table.take("keys")?.unwrap_or_default();
        let tls = TlsConfig::read_with_name(table)?;
        let key = key.unwrap_or(usual.key);
        Ok(Self { key, user, password, max_length, keys, tls: usual.tls.map(|_| tls), ..usual })
    }

    /// The server's address for display.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}/{}", self.server, self.database)
    }
}
