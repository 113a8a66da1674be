//! What the sampler left out, counted for the pipeline.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by the sampler and the pipeline.
#[derive(Debug, Default)]
pub(super) struct SamplerCounts(AtomicU64);

impl SamplerCounts {
    /// Number of processes that were not read, because too many were requested at once.
    pub(super) fn given_up(&self, processes: u64) {
        self.0.fetch_add(processes, Ordering::Relaxed);
    }

    /// Processes that were not described.
    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
