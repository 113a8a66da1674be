//! Exporters to InfluxDB.

use std::fmt;

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, HttpConfig, Secret};
use crate::template::Template;

/// An exporter of InfluxDB line protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct InfluxConfig {
    /// The server.
    pub http: HttpConfig,
    /// Where points go.
    pub bucket: InfluxBucket,
    /// Elements that are tags; the others are fields.
    pub tags: Template,
}

/// Where points go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InfluxBucket {
    /// InfluxDB 1: database, and retention policy if not the database's own.
    Database(String, Option<String>),
    /// InfluxDB 2: organization and bucket.
    Bucket(String, String),
}

impl fmt::Display for InfluxBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database, _) => f.write_str(database),
            Self::Bucket(organization, bucket) => write!(f, "{organization}/{bucket}"),
        }
    }
}

/// Few elements, because each combination of values is a separate series, which the server keeps in memory.
const DEFAULT_TAGS: &str = "%PROTOCOL %SRC_PROC_NAME %DST_PROC_NAME";

impl OutputConfig for InfluxConfig {
    fn target(&self) -> String {
        format!("{} {}", self.http.url, self.bucket)
    }
}

impl InfluxConfig {
    /// The keys `database` and `retention-policy`, or `organization` and `bucket`; `token`, `tags` and those of HTTP.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let mut http = HttpConfig::read(table)?;
        if let Some(token) = table.take::<Secret>("token")? {
            http.authorize("token", &format!("Token {}", token.reveal()))?;
        }
        let database: Option<String> = table.take("database")?;
        let policy: Option<String> = table.take("retention-policy")?;
        let (organization, bucket) = (table.take("organization")?, table.take("bucket")?);
        let bucket = match (database, organization, bucket) {
            (Some(database), None, None) => InfluxBucket::Database(database, policy),
            (None, Some(organization), Some(bucket)) if policy.is_none() => InfluxBucket::Bucket(organization, bucket),
            _ => {
                let reason = "set it (InfluxDB 1, optionally with `retention-policy`), or `organization` and `bucket` (InfluxDB 2)";
                return Err(ConfigError::Value { key: "database", reason: reason.into() });
            }
        };
        let tags = table.read("tags", Template::parse)?;
        let tags = tags.map_or_else(|| Template::parse(DEFAULT_TAGS), Ok);
        let tags = tags.map_err(|e| ConfigError::Value { key: "tags", reason: e.to_string() })?;
        Ok(Self { http, bucket, tags })
    }
}
