//! `NAME --option value …`, enough for a test program.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::truth;

/// The arguments of one scenario.
pub(super) struct Args {
    scenario: String,
    options: HashMap<String, String>,
}

impl Args {
    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let scenario = arguments.next().context("usage: scenario NAME --truth FILE [--option value]...")?;
        let mut options = HashMap::new();
        while let Some(option) = arguments.next() {
            let Some(name) = option.strip_prefix("--") else { bail!("unexpected argument {option:?}") };
            let value = arguments.next().with_context(|| format!("--{name} needs a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self { scenario, options })
    }

    pub(super) fn scenario(&self) -> &str {
        &self.scenario
    }

    /// The value of an option, if given.
    pub(super) fn find<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<Option<T>> {
        let value = self.options.get(name).map(|value| value.parse::<T>().with_context(|| format!("--{name} {value}")));
        value.transpose()
    }

    /// The value of an option, else `default`.
    pub(super) fn get<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
        default: T,
    ) -> Result<T> {
        Ok(self.find(name)?.unwrap_or(default))
    }

    /// The value of an option that must be there.
    pub(super) fn need<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, name: &str) -> Result<T> {
        self.find(name)?.with_context(|| format!("--{name} is needed"))
    }

    /// The file that takes the truth.
    pub(super) fn truth(&self) -> Result<File> {
        truth::open(&self.need::<PathBuf>("truth")?)
    }

    /// Prints `ready` and waits until the file named by `--go` exists (200 s at most); without that option it returns
    /// at once.
    pub(super) fn await_go(&self) -> Result<()> {
        let Some(go) = self.find::<PathBuf>("go")? else {
            return Ok(());
        };
        println!("ready");
        wait_for_file(&go, Duration::from_secs(200))
    }
}

fn wait_for_file(path: &Path, limit: Duration) -> Result<()> {
    let start = Instant::now();
    while !path.exists() {
        if start.elapsed() > limit {
            bail!("{} did not appear within {limit:?}", path.display());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
