//! A kernel setting that is changed while a scenario runs.

use std::fs;

use anyhow::{Context, Result};

/// Restores the former value when it is dropped.
pub(super) struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    /// Changes the value of a file below /proc/sys.
    pub(super) fn change(path: &'static str, value: &str) -> Result<Self> {
        let before = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
        fs::write(path, value).with_context(|| format!("write {path}"))?;
        Ok(Self { path, before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.before) {
            eprintln!("scenario: {} stays changed: {error}", self.path);
        }
    }
}
