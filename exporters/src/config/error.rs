//! What can be wrong with an exporter's configuration.

use super::TargetError;

/// Why an exporter's configuration was refused. Begins with the key's name in backticks, by which the line is found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not said what it is.
    #[error("an exporter needs the key `kind`: {allowed}")]
    NoKind {
        /// The names of all kinds.
        allowed: String,
    },
    /// No such kind.
    #[error("`kind` is \"{given}\"; allowed are {allowed}")]
    Kind {
        /// As given.
        given: String,
        /// The names of all kinds.
        allowed: String,
    },
    /// A key that the kind needs.
    #[error("an exporter of kind \"{kind}\" needs the key `{key}`")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that the kind does not have.
    #[error("`{key}` is not a key of an exporter of kind \"{kind}\"; allowed are {allowed}")]
    Unknown {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: String,
        /// The kind's keys.
        allowed: String,
    },
    /// A value that does not suit its key.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// One of OpenTelemetry's variables.
    #[error("`{name}`: {reason}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// A number out of range.
    #[error("`{key}` is {value}; allowed are {min} to {max}")]
    Range {
        /// The key.
        key: &'static str,
        /// As given.
        value: i64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// A collector's address.
    #[error("`url`: {0}")]
    Target(#[from] TargetError),
    /// NetFlow v9 has no other transport here.
    #[error("`url`: NetFlow v9 is sent over UDP only; write udp://HOST:PORT")]
    OnlyUdp,
    /// What a short option or its key says.
    #[error("`{option}`: {reason}")]
    Option {
        /// Its name in the file.
        option: &'static str,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// The address of an HTTP or gRPC receiver.
    #[error("`url`: \"{url}\" is not a receiver's address; write http://HOST:PORT or https://HOST:PORT")]
    HttpUrl {
        /// As given, without what might be a password.
        url: String,
    },
}

impl ConfigError {
    /// The same, of the option that stands for a whole exporter. A variable keeps its own name.
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
