//! The OpenMetrics text format 1.0.0, as much of it as is needed.

use std::fmt::Write;

use pidflow_schema::metric::{Attributes, Family, Histogram, Kind, Point, prometheus_label};

/// The media type that goes with [`encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page.
pub(crate) fn encode(families: &[Family]) -> String {
    let mut out = String::new();
    families.iter().for_each(|f| family(&mut out, f));
    out + "# EOF\n"
}

// Writing to a string cannot fail, hence every `let _`.
fn family(out: &mut String, f: &Family) {
    let kind = match f.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::Histogram => "histogram",
    };
    let (family, name) = (f.prometheus_family(), f.prometheus_name());
    let _ = writeln!(out, "# TYPE {family} {kind}");
    if let Some(unit) = f.prometheus_unit() {
        let _ = writeln!(out, "# UNIT {family} {unit}");
    }
    let _ = writeln!(out, "# HELP {family} {}", escape(f.help));
    for s in &f.samples {
        let labels = labels(&s.attributes);
        match &s.point {
            Point::Whole(v) => sample(out, &name, &labels, v),
            Point::Real(v) => sample(out, &name, &labels, v),
            Point::Histogram(h) => histogram(out, &name, &labels, h),
        }
    }
}

fn sample(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        _ => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

/// Buckets are cumulative here.
fn histogram(out: &mut String, name: &str, labels: &str, h: &Histogram) {
    let bounds = h.bounds.iter().map(|b| format!("{b:?}")).chain(["+Inf".to_owned()]);
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    for (bound, count) in bounds.zip(&h.counts) {
        below += count;
        sample(out, &format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), below);
    }
    sample(out, &format!("{name}_sum"), labels, h.sum);
    sample(out, &format!("{name}_count"), labels, h.count());
}

fn labels(attributes: &Attributes) -> String {
    let pairs: Vec<_> = attributes.iter().map(|(k, v)| format!("{}=\"{}\"", prometheus_label(k), escape(v))).collect();
    pairs.join(",")
}

/// OpenMetrics 1.0.0 section "Escaping": backslash, quote and line feed.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use pidflow_schema::metric::Sample;

    use super::*;

    #[test]
    fn a_page_is_as_the_format_says() {
        let waits = Histogram { bounds: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.25 };
        let page = encode(&[
            Family::counter("a", "", "What a is.", Sample::by("the.reason", [("x\"\n\\", 1)])),
            Family::gauge("b", "By", "b.", Sample::alone(7)),
            Family::histogram("c", "s", "c.", vec![Sample::new([("k", "v".to_owned())], Point::Histogram(waits))]),
        ]);
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(
            lines,
            [
                "# TYPE a counter",
                "# HELP a What a is.",
                "a_total{the_reason=\"x\\\"\\n\\\\\"} 1",
                "# TYPE b_bytes gauge",
                "# UNIT b_bytes bytes",
                "# HELP b_bytes b.",
                "b_bytes 7",
                "# TYPE c_seconds histogram",
                "# UNIT c_seconds seconds",
                "# HELP c_seconds c.",
                "c_seconds_bucket{k=\"v\",le=\"0.5\"} 1",
                "c_seconds_bucket{k=\"v\",le=\"1.0\"} 1",
                "c_seconds_bucket{k=\"v\",le=\"+Inf\"} 3",
                "c_seconds_sum{k=\"v\"} 7.25",
                "c_seconds_count{k=\"v\"} 3",
                "# EOF"
            ]
        );
    }
}
