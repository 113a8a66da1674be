//! The metrics that the agent publishes, independent of their format.
//!
//! A family has one name, OpenTelemetry's, and one unit, in UCUM. Prometheus' name is derived from both by the rule of
//! the OpenTelemetry specification ("Prometheus and OpenMetrics Compatibility", section "Metric metadata"), so no name
//! is defined twice. Attribute keys become labels in the same way.

use std::sync::Arc;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A counter: it only grows while its series exists.
    Counter,
    /// A gauge: it can rise and fall.
    Gauge,
    /// An info: only the attributes matter, and the value is 1. The name ends in `.info`.
    Info,
    /// A histogram: the number of observations in each range, and their sum; both only grow.
    Histogram,
}

/// Keys and values of a series. They are shared, because the families about one subject have the same ones.
pub type Attributes = Arc<[(&'static str, String)]>;

/// The latest value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// The value of a counter, a gauge or an info.
    Whole(u64),
    /// The value of a counter or a gauge.
    Real(f64),
    /// The value of a histogram.
    Histogram(Histogram),
}

impl Point {
    /// The initial value of a counter or histogram of this shape: zero in every part.
    #[must_use]
    pub fn beginning(&self) -> Self {
        match self {
            Self::Whole(_) => Self::Whole(0),
            Self::Real(_) => Self::Real(0.0),
            Self::Histogram(h) => {
                Self::Histogram(Histogram { bounds: h.bounds, counts: vec![0; h.counts.len()], sum: 0.0 })
            }
        }
    }
}

/// A histogram with fixed bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, inclusive and ascending, without infinity; in the family's unit.
    pub bounds: &'static [f64],
    /// Number of observations between each bound and the previous one, not cumulative. There is one more element than
    /// `bounds`, for observations above the last bound.
    pub counts: Vec<u64>,
    /// Sum of all observations, in the family's unit.
    pub sum: f64,
}

impl Histogram {
    /// Number of all observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// The attributes that distinguish it from the other series of its family.
    pub attributes: Attributes,
    /// Its value.
    pub point: Point,
}

impl MetricSample {
    /// A series with these attributes.
    pub fn new(attributes: impl Into<Attributes>, point: Point) -> Self {
        Self { attributes: attributes.into(), point }
    }

    /// The only series of a family.
    #[must_use]
    pub fn alone(value: u64) -> Vec<Self> {
        vec![Self::new([], Point::Whole(value))]
    }

    /// A series for each value of one attribute.
    pub fn by<T: ToString>(key: &'static str, values: impl IntoIterator<Item = (T, u64)>) -> Vec<Self> {
        values.into_iter().map(|(v, n)| Self::new([(key, v.to_string())], Point::Whole(n))).collect()
    }
}

/// A metric of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// OpenTelemetry's name: words separated by dots.
    pub name: &'static str,
    /// The unit in UCUM, as in OpenTelemetry (`By`, `s`, `{packet}`); empty: none.
    pub unit: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// One sentence.
    pub help: &'static str,
    /// Its series.
    pub samples: Vec<MetricSample>,
}

impl Family {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        samples: Vec<MetricSample>,
    ) -> Self {
        Self { name, unit, kind: MetricKind::Counter, help, samples }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, unit: &'static str, help: &'static str, samples: Vec<MetricSample>) -> Self {
        Self { name, unit, kind: MetricKind::Gauge, help, samples }
    }

    /// An info; its name ends in `.info`.
    #[must_use]
    pub const fn info(name: &'static str, help: &'static str, samples: Vec<MetricSample>) -> Self {
        Self { name, unit: "", kind: MetricKind::Info, help, samples }
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        samples: Vec<MetricSample>,
    ) -> Self {
        Self { name, unit, kind: MetricKind::Histogram, help, samples }
    }

    /// Prometheus' name of the unit; none: Prometheus has no name for it (`{packet}`), or there is no unit.
    #[must_use]
    pub fn prometheus_unit(&self) -> Option<&'static str> {
        match self.unit {
            "By" => Some("bytes"),
            "s" => Some("seconds"),
            "1" if self.kind == MetricKind::Gauge => Some("ratio"),
            _ => None,
        }
    }

    /// Prometheus' name of the family, without the suffix that the samples of its kind have.
    #[must_use]
    pub fn prometheus_family(&self) -> String {
        let name = prometheus_label(self.name);
        match (self.kind, self.prometheus_unit()) {
            (MetricKind::Info, _) => name.strip_suffix("_info").map(str::to_owned).unwrap_or(name),
            (_, Some(unit)) if name.rsplit('_').next() != Some(unit) => format!("{name}_{unit}"),
            _ => name,
        }
    }

    /// Prometheus' name of the samples; for a histogram the name before `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        self.prometheus_family() + suffix
    }
}

/// OpenTelemetry's names of attributes, by the shorter names that they have as labels. The labels are short because
/// people type them in every query.
const CONVENTIONS: [(&str, &str); 12] = [
    ("container", "container.id"),
    ("executable", "process.executable.path"),
    ("host", "host.name"),
    ("interface", "network.interface.name"),
    ("k8s_namespace", "k8s.namespace.name"),
    ("k8s_pod", "k8s.pod.name"),
    ("parent_pid", "process.parent_pid"),
    ("pid", "process.pid"),
    ("port", "server.port"),
    ("process", "process.executable.name"),
    ("protocol", "network.transport"),
    ("user", "process.user.name"),
];

/// OpenTelemetry's name of an attribute.
#[must_use]
pub fn attribute_name(key: &'static str) -> &'static str {
    CONVENTIONS.iter().find(|(label, _)| *label == key).map_or(key, |(_, name)| name)
}

/// Prometheus' label of an attribute key: every other character becomes an underscore.
#[must_use]
pub fn prometheus_label(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_by_the_rule_of_opentelemetry() {
        let family = |name, unit, kind| Family { name, unit, kind, help: "", samples: Vec::new() };
        for (name, unit, kind, prometheus) in [
            ("pidflow.edge.bytes", "By", MetricKind::Counter, "pidflow_edge_bytes_total"),
            ("process.memory.usage", "By", MetricKind::Gauge, "process_memory_usage_bytes"),
            ("system.memory.utilization", "1", MetricKind::Gauge, "system_memory_utilization_ratio"),
            ("pidflow.records", "{record}", MetricKind::Counter, "pidflow_records_total"),
            ("pidflow.build.info", "", MetricKind::Info, "pidflow_build_info"),
            ("http.server.duration", "s", MetricKind::Histogram, "http_server_duration_seconds"),
            ("a.total.seconds", "s", MetricKind::Gauge, "a_total_seconds"),
        ] {
            assert_eq!(family(name, unit, kind).prometheus_name(), prometheus, "{name}");
        }
        assert_eq!(family("pidflow.build.info", "", MetricKind::Info).prometheus_family(), "pidflow_build");
        assert_eq!([attribute_name("user"), attribute_name("role")], ["process.user.name", "role"]);
        assert_eq!(prometheus_label("system.paging.fault-type"), "system_paging_fault_type");
    }
}
