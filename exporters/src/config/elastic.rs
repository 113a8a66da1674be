//! Exporters to Elasticsearch and OpenSearch.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::output::OutputConfig;
use super::table::Table;
use super::{ConfigError, HttpConfig, Secret};
use crate::time::TimePattern;

/// An exporter to an Elasticsearch or OpenSearch cluster (`mappings/elasticsearch.json`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElasticConfig {
    /// The cluster.
    pub http: HttpConfig,
    /// Name of the index, filled in with the time of the flow's end.
    pub index: TimePattern,
}

const INDEX: &str = "pidflow-%Y.%m.%d";
/// Characters not allowed in the name of an index (Elasticsearch reference, "Create index").
const FORBIDDEN: [char; 11] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#'];

impl OutputConfig for ElasticConfig {
    fn target(&self) -> String {
        format!("{} {}", self.http.url, self.index)
    }
}

impl ElasticConfig {
    /// An exporter to `url`, with defaults for everything else.
    ///
    /// # Errors
    /// As for [`HttpConfig::new`].
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self { http: HttpConfig::new(url)?, index: index(INDEX)? })
    }

    /// The keys `index`, `api-key` and those of HTTP.
    pub(super) fn read(table: &mut Table) -> Result<Self, ConfigError> {
        let mut http = HttpConfig::read(table)?;
        let name: Option<String> = table.take("index")?;
        if let Some(key) = table.take::<Secret>("api-key")? {
            http.authorize("api-key", &format!("ApiKey {}", encoded(key.reveal())))?;
        }
        Ok(Self { http, index: index(name.as_deref().unwrap_or(INDEX))? })
    }
}

/// Kibana shows API keys encoded; the API gives id and key, which are encoded as `id:key`.
fn encoded(key: &str) -> String {
    if key.contains(':') { STANDARD.encode(key) } else { key.to_owned() }
}

fn index(name: &str) -> Result<TimePattern, ConfigError> {
    let wrong = |reason: &str| ConfigError::Value { key: "index", reason: reason.to_owned() };
    let pattern = TimePattern::parse(name).map_err(wrong)?;
    let shown = pattern.render(0);
    if shown.is_empty() || shown.starts_with(['-', '_', '+', '.']) {
        return Err(wrong("the name of an index must not be empty or begin with -, _, + or ."));
    }
    if shown.contains(FORBIDDEN) || shown.chars().any(|c| c.is_uppercase() || c.is_control() || c == ':') {
        return Err(wrong(
            "the name of an index must not contain capital letters, blanks or any of \\ / * ? \" < > | , # :",
        ));
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_indices_are_elasticsearchs() {
        assert_eq!(index("flows-%Y.%m").unwrap().to_string(), "flows-%Y.%m");
        for name in ["", "_x", "Flows", "a b", "a/b", "a\"b", "%x", "a%%b\n"] {
            assert!(index(name).unwrap_err().to_string().starts_with("`index`: "), "{name}");
        }
    }

    #[test]
    fn api_keys_come_in_both_forms() {
        assert_eq!(encoded("id:key"), "aWQ6a2V5");
        assert_eq!(encoded("aWQ6a2V5"), "aWQ6a2V5");
    }
}
