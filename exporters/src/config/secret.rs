//! Passwords, tokens and keys, read from a file, from the environment or from the text itself. They are never shown.

use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::regular_file;

/// A secret text. It is read together with the configuration: `"text"`, `{ file = "/run/secrets/token" }` (without a
/// trailing line feed) or `{ env = "TOKEN" }`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Source")]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text. It must not be used in messages.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where the text is. The error does not show any other value, because it may be a misplaced secret.
#[derive(Deserialize)]
#[serde(untagged, expecting = "write \"text\", { file = \"PATH\" } or { env = \"VARIABLE\" }")]
enum Source {
    Text(String),
    Table(BTreeMap<String, String>),
}

impl TryFrom<Source> for Secret {
    type Error = String;

    fn try_from(source: Source) -> Result<Self, String> {
        let table = match source {
            Source::Text(text) => return Ok(Self(text)),
            Source::Table(table) => table,
        };
        let mut keys = table.iter().map(|(key, value)| (key.as_str(), value));
        match (keys.next(), keys.next()) {
            (Some(("file", path)), None) => from_file(Path::new(path)),
            (Some(("env", name)), None) => from_variable(name),
            _ => Err("write \"text\", { file = \"PATH\" } or { env = \"VARIABLE\" }".to_owned()),
        }
    }
}

fn from_file(path: &Path) -> Result<Secret, String> {
    let failed = |e: &dyn fmt::Display| format!("cannot read {}: {e}", path.display());
    let bytes = regular_file::read(path).map_err(|e| failed(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| failed(&"the text is not UTF-8"))?;
    Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn from_variable(name: &str) -> Result<Secret, String> {
    std::env::var(name).map(Secret).map_err(|e| match e {
        VarError::NotPresent => format!("environment variable {name} is not set"),
        VarError::NotUnicode(_) => format!("environment variable {name} is not UTF-8"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Secret, String> {
        let mut table: toml::Table = toml::from_str(&format!("s = {toml}")).unwrap();
        table.remove("s").unwrap().try_into().map_err(|e: toml::de::Error| e.message().to_owned())
    }

    #[test]
    fn comes_from_text_file_and_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word\n").unwrap();
        let from_file = read(&format!("{{ file = {:?} }}", file.path())).unwrap();
        assert_eq!((from_file.reveal(), format!("{from_file:?}").as_str()), ("pass word", "(secret)"));
        assert_eq!(read("\"x\"").unwrap().reveal(), "x");
        assert_eq!(read("{ env = \"PATH\" }").unwrap().reveal(), std::env::var("PATH").unwrap());
    }

    #[test]
    fn says_what_is_missing() {
        assert!(
            read("{ file = \"/does/not/exist\" }").unwrap_err().starts_with("cannot read /does/not/exist: No such")
        );
        assert!(read("{ env = \"PIDFLOW_NOT_SET\" }").unwrap_err().contains("PIDFLOW_NOT_SET"));
        for wrong in ["{ envv = \"X\" }", "[\"hush\"]", "{ file = [\"hush\"] }", "5", "{}"] {
            assert!(read(wrong).unwrap_err().starts_with("write \"text\""), "{wrong}");
        }
    }
}
