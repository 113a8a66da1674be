//! Errors in an exporter's configuration.

use super::TargetError;

/// Why an exporter's configuration was refused. The message begins with the key's name in backticks, from which the
/// line number is found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The key `kind` is missing.
    #[error("an exporter needs the key `kind`: {allowed}")]
    NoKind {
        /// The names of all kinds.
        allowed: String,
    },
    /// There is no such kind.
    #[error("`kind` is \"{given}\"; allowed are {allowed}")]
    Kind {
        /// As given.
        given: String,
        /// The names of all kinds.
        allowed: String,
    },
    /// A required key is missing.
    #[error("an exporter of kind \"{kind}\" needs the key `{key}`")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The kind has no such key.
    #[error("`{key}` is not a key of an exporter of kind \"{kind}\"; allowed are {allowed}")]
    Unknown {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: String,
        /// The kind's keys.
        allowed: String,
    },
    /// The value is not allowed for its key.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// The value of an OpenTelemetry variable is not allowed.
    #[error("`{name}`: {reason}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// A number is out of range.
    #[error("`{key}` is {value}; allowed are {min} to {max}")]
    Range {
        /// The key.
        key: &'static str,
        /// As given.
        value: i64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// A collector's address is malformed.
    #[error("`url`: {0}")]
    Target(#[from] TargetError),
    /// NetFlow v9 is supported over UDP only.
    #[error("`url`: NetFlow v9 is sent over UDP only; write udp://HOST:PORT")]
    OnlyUdp,
    /// The value of an output flag or its key in `[export]` is not allowed.
    #[error("`{option}`: {reason}")]
    Option {
        /// Its name in the file.
        option: &'static str,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// The address of an HTTP or gRPC receiver is malformed.
    #[error("`url`: \"{url}\" is not a receiver's address; write http://HOST:PORT or https://HOST:PORT")]
    HttpUrl {
        /// The address as given, without parts that might be a password.
        url: String,
    },
}

impl ConfigError {
    /// The same error for the flag that defines a whole exporter. A variable keeps its own name.
    #[must_use]
    pub fn of_option(self, option: &'static str) -> Self {
        let said = self.to_string();
        let reason = said.strip_prefix('`').and_then(|s| s.split_once("`: ")).map(|(_, reason)| reason.to_owned());
        match self {
            Self::Variable { .. } => self,
            _ => Self::Option { option, reason: reason.unwrap_or(said) },
        }
    }
}
