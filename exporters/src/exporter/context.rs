//! What all exporters of a run have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use pidflow_schema::Enterprise;
use pidflow_schema::metric::Family;

use crate::template::Template;

use super::wall_ns;

/// Whether records are made as they happen or read from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A full queue drops its oldest records; messages carry the wall clock.
    #[default]
    Live,
    /// A full queue makes the sender wait; messages carry the records' own time.
    Offline,
}

/// Whoever knows the run's metrics as they stand.
#[derive(Clone)]
pub struct MetricSource {
    families: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    start_ns: u64,
}

impl MetricSource {
    /// Asks `families` each time. The counters begin now.
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
    /// The very same one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.families, &other.families)
    }
}

/// What all exporters of a run have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportContext {
    /// Elements of exporters that name none themselves; none: [`Template::for_collectors`] for IPFIX and NetFlow v9,
    /// every element for JSON and OTLP.
    pub template: Option<Template>,
    /// Private enterprise number of pidflow's own elements.
    pub own_pen: u32,
    /// IPFIX observation domain and NetFlow v9 source id of exporters that name none themselves.
    pub domain: u32,
    /// The observing host's name, for OTLP's resource.
    pub host_name: String,
    /// The observing host's machine id, for OTLP's resource; empty: unknown.
    pub host_id: String,
    /// Further attributes of OTLP's resource.
    pub resource: BTreeMap<String, String>,
    /// Live or from files.
    pub mode: Mode,
    /// The agent's metrics; none: nobody counts them (files).
    pub metrics: Option<MetricSource>,
}

impl Default for ExportContext {
    fn default() -> Self {
        Self {
            template: None,
            own_pen: Enterprise::DEFAULT_OWN_PEN,
            domain: 0,
            host_name: String::new(),
            host_id: String::new(),
            resource: BTreeMap::new(),
            mode: Mode::Live,
            metrics: None,
        }
    }
}

impl ExportContext {
    /// The exporter's own choice, else the run's, else `usual`.
    pub(crate) fn template(&self, own: Option<&Template>, usual: fn() -> Template) -> Template {
        own.or(self.template.as_ref()).cloned().unwrap_or_else(usual)
    }
}
