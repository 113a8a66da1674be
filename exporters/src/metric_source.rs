//! The run's metrics, for exporters that send them.

use std::sync::Arc;

use pidflow_schema::metric::Family;

use crate::time::wall_ns;

/// A source of the run's current metrics.
#[derive(Clone)]
pub struct MetricSource {
    families: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    start_ns: u64,
}

impl MetricSource {
    /// A source that calls `families` each time. The counters begin now.
    pub fn new(families: impl Fn() -> Vec<Family> + Send + Sync + 'static) -> Self {
        Self { families: Arc::new(families), start_ns: wall_ns() }
    }

    /// The metrics now.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        (self.families)()
    }

    /// When the counters began, nanoseconds since the epoch.
    #[must_use]
    pub const fn start_ns(&self) -> u64 {
        self.start_ns
    }
}

impl std::fmt::Debug for MetricSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricSource")
    }
}

impl PartialEq for MetricSource {
    /// Whether both are the same source.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.families, &other.families)
    }
}
