//! The OpenMetrics text format 1.0.0, as much of it as is needed.

use std::fmt::Write;

/// The media type that goes with [`encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What kind of figure a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows; samples are called `name_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Labels are all there is to it; samples are called `name_info`.
    Info,
}

/// One sample: labels and value.
pub(crate) type Sample = (Vec<(&'static str, String)>, f64);

/// A metric of one name.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    /// Without the suffix of its samples.
    pub(crate) name: &'static str,
    /// Kind.
    pub(crate) kind: Kind,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Its samples.
    pub(crate) samples: Vec<Sample>,
}

impl Family {
    /// A counter.
    pub(crate) fn counter(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, kind: Kind::Counter, help, samples }
    }

    /// A gauge.
    pub(crate) fn gauge(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, kind: Kind::Gauge, help, samples }
    }

    /// The name of its samples.
    pub(crate) fn sample_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge => self.name.to_owned(),
            Kind::Info => format!("{}_info", self.name),
        }
    }
}

/// A sample without labels.
pub(crate) fn plain(value: u64) -> Vec<Sample> {
    vec![(Vec::new(), value as f64)]
}

/// A sample for each of several values of one label.
pub(crate) fn by<T: ToString>(label: &'static str, values: impl IntoIterator<Item = (T, u64)>) -> Vec<Sample> {
    values.into_iter().map(|(l, v)| (vec![(label, l.to_string())], v as f64)).collect()
}

/// The whole page.
pub(crate) fn encode(families: &[Family]) -> String {
    let mut out = String::new();
    families.iter().for_each(|f| family(&mut out, f));
    out + "# EOF\n"
}

fn family(out: &mut String, f: &Family) {
    let kind = match f.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# TYPE {} {kind}\n# HELP {} {}", f.name, f.name, escape(f.help));
    let name = f.sample_name();
    for (labels, value) in &f.samples {
        let _ = writeln!(out, "{name}{} {value}", label_set(labels));
    }
}

fn label_set(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// OpenMetrics 1.0.0 section "Escaping": backslash, quote and line feed.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_the_format_says() {
        let page = encode(&[
            Family::counter("a", "What a is.", by("reason", [("x\"\n\\", 1)])),
            Family::gauge("b", "b.", plain(7)),
        ]);
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            lines,
            [
                "# TYPE a counter",
                "# HELP a What a is.",
                "a_total{reason=\"x\\\"\\n\\\\\"} 1",
                "# TYPE b gauge",
                "# HELP b b.",
                "b 7",
                "# EOF"
            ]
        );
    }

    #[test]
    fn whole_numbers_have_no_exponent() {
        assert!(encode(&[Family::gauge("b", "b.", plain(1 << 52))]).contains("b 4503599627370496\n"));
    }
}
