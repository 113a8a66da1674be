//! The history: records in a folder on this host. One thread writes them, another one answers questions about them.
//!
//! Beside the exporters, it is a consumer of records with a bounded queue: the pipeline never waits for the disk.

mod counts;
#[cfg(feature = "history")]
mod questions;
#[cfg(feature = "history")]
mod values;
#[cfg(feature = "history")]
mod write;

#[cfg(feature = "history")]
pub(crate) use questions::Questions;
#[cfg(feature = "history")]
pub(crate) use values::{group_values, sums_values};
#[cfg(not(feature = "history"))]
pub(crate) use without::{History, Questions};
#[cfg(feature = "history")]
pub(crate) use write::History;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use counts::HistoryCounts;

/// Where the history is, and how much of it is kept.
#[cfg_attr(not(feature = "history"), expect(dead_code, reason = "without the feature no history is kept"))]
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// How long a file is kept; none: its age does not matter.
    pub(crate) max_age: Option<Duration>,
    /// How large all files may be together, bytes.
    pub(crate) max_bytes: u64,
}

/// What is there if this program was built without the history.
#[cfg(not(feature = "history"))]
mod without {
    use std::convert::Infallible;
    use std::sync::Arc;

    use anyhow::{Result, bail};
    use pidflow_schema::FlowRecord;

    use super::{HistoryCounts, Settings};

    /// There is none.
    #[derive(Debug)]
    pub(crate) struct History(Infallible);

    /// There is none.
    #[derive(Debug, Clone)]
    pub(crate) struct Questions(Infallible);

    impl History {
        pub(crate) fn start(_: &Settings) -> Result<Self> {
            bail!("--history: this pidflow was built without the feature \"history\"")
        }

        pub(crate) fn offer(&self, _: &Arc<[FlowRecord]>) {
            match self.0 {}
        }

        pub(crate) fn questions(&self) -> Questions {
            match self.0 {}
        }

        pub(crate) fn counts(&self) -> HistoryCounts {
            match self.0 {}
        }

        pub(crate) fn trouble(&self) -> Option<String> {
            match self.0 {}
        }
    }
}
