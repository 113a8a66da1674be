//! What all exporters of a run have in common.

use std::collections::BTreeMap;

use pidflow_schema::Enterprise;

use crate::config::DEFAULT_QUEUES_BYTES;
use crate::metric_source::MetricSource;
use crate::template::Template;

/// Whether records are made as they happen or read from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A full queue drops its oldest records; messages carry the wall clock.
    #[default]
    Live,
    /// A full queue makes the sender wait; messages carry the records' own time.
    Offline,
}

/// What all exporters of a run have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportContext {
    /// Elements for exporters that set none themselves; none: [`Template::for_collectors`] for IPFIX and NetFlow v9,
    /// every element for JSON and OTLP.
    pub template: Option<Template>,
    /// Private enterprise number of pidflow's own elements.
    pub own_pen: u32,
    /// IPFIX observation domain and NetFlow v9 source id for exporters that set none themselves.
    pub domain: u32,
    /// The observing host's name, for OTLP's resource.
    pub host_name: String,
    /// The observing host's machine id, for OTLP's resource; empty: unknown.
    pub host_id: String,
    /// The agent's id in records (`OBSERVER`); empty: unknown.
    pub observer: String,
    /// Further attributes of OTLP's resource.
    pub resource: BTreeMap<String, String>,
    /// Memory for the records in all exporters' queues together, bytes. Exporters that set no limit themselves get
    /// equal shares.
    pub queues_bytes: usize,
    /// Live or from files.
    pub mode: Mode,
    /// The agent's metrics; none: there are none (when files are read).
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
            observer: String::new(),
            resource: BTreeMap::new(),
            queues_bytes: DEFAULT_QUEUES_BYTES,
            mode: Mode::Live,
            metrics: None,
        }
    }
}

impl ExportContext {
    /// The exporter's own template, otherwise the run's, otherwise `usual`.
    pub(crate) fn template(&self, own: Option<&Template>, usual: fn() -> Template) -> Template {
        own.or(self.template.as_ref()).cloned().unwrap_or_else(usual)
    }
}
