//! An exporter's table of the configuration file, read key by key.
//!
//! The keys that the reader asks for are the kind's keys, so that no separate list of them can become outdated.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::ConfigError;

/// The keys not read yet, and those that were asked for.
pub(crate) struct Table {
    kind: &'static str,
    keys: toml::Table,
    asked: Vec<&'static str>,
}

impl Table {
    pub(super) fn new(kind: &'static str, keys: toml::Table) -> Self {
        Self { kind, keys, asked: Vec::new() }
    }

    /// The key's value, if the table has it.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<Option<T>, ConfigError> {
        self.asked.push(key);
        let Some(given) = self.keys.remove(key) else { return Ok(None) };
        let shown = given.as_str().map(|text| format!("{text:?}"));
        // serde's message contains the value that it found. If a table was expected, the whole text may be a secret.
        let is_secret = |message: &str| shown.as_ref().is_some_and(|s| message.contains(&format!("string {s}")));
        given.try_into().map(Some).map_err(|e: toml::de::Error| {
            let message = e.message();
            let reason = match &shown {
                Some(shown) if is_secret(message) => message.replace(shown, "…"),
                _ => message.to_owned(),
            };
            ConfigError::Value { key, reason }
        })
    }

    /// The value of a required key.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<T, ConfigError> {
        let kind = self.kind;
        self.take(key)?.ok_or(ConfigError::Missing { kind, key })
    }

    /// The key's value, parsed by `read`, whose error describes what is wrong with it.
    pub(crate) fn read<T, E: ToString>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let text: Option<String> = self.take(key)?;
        let value = text.map(|t| read(&t)).transpose();
        value.map_err(|e| ConfigError::Value { key, reason: e.to_string() })
    }

    /// A whole number of the given range.
    pub(crate) fn number(&mut self, key: &'static str, usual: u64, range: (u64, u64)) -> Result<u64, ConfigError> {
        Ok(self.optional(key, range)?.unwrap_or(usual))
    }

    /// Like [`Self::number`], without a default.
    pub(crate) fn optional(&mut self, key: &'static str, (min, max): (u64, u64)) -> Result<Option<u64>, ConfigError> {
        let reason = format!("it is not a whole number; allowed are {min} to {max}");
        let value = self.take::<i64>(key).map_err(|_| ConfigError::Value { key, reason })?;
        let Some(value) = value else { return Ok(None) };
        match u64::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Ok(Some(value)),
            _ => Err(ConfigError::Range { key, value, min, max }),
        }
    }

    /// Like [`Self::number`], for a count of things in memory.
    pub(crate) fn count(&mut self, key: &'static str, usual: usize, range: (u64, u64)) -> Result<usize, ConfigError> {
        let value = self.number(key, usual as u64, range)?;
        Ok(usize::try_from(value).unwrap_or(usize::MAX))
    }

    /// Whole seconds, at most a day.
    pub(crate) fn seconds(&mut self, key: &'static str, usual: Duration) -> Result<Duration, ConfigError> {
        self.number(key, usual.as_secs(), (1, 86_400)).map(Duration::from_secs)
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        match self.keys.into_iter().next() {
            Some((key, _)) => Err(ConfigError::Unknown { kind: self.kind, key, allowed: self.asked.join(", ") }),
            None => Ok(()),
        }
    }
}
