//! Writes families and samples in both text formats: what they share, and where they differ.

use std::fmt::Write;

use pidflow_schema::metric::{Attributes, Family, Histogram, MetricKind, MetricSample, Point, prometheus_label};

use super::Format;
use crate::published::families::view::LazyFamily;

/// A family's header and its samples.
pub(super) fn family(format: Format, f: LazyFamily) -> impl Iterator<Item = String> {
    let name = f.head.prometheus_name();
    let head = match format {
        Format::OpenMetrics => open_metrics_head(&f.head),
        Format::Text | Format::Protobuf => text_head(&f.head, &name),
    };
    [head].into_iter().chain(f.samples.map(move |s| series(&name, &s)))
}

/// OpenMetrics: a family has its own name, to which samples add a suffix.
// Writing to a string cannot fail, so results are ignored with `let _`.
fn open_metrics_head(f: &Family) -> String {
    let kind = match f.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Info => "info",
        MetricKind::Histogram => "histogram",
    };
    let family = f.prometheus_family();
    let mut out = format!("# TYPE {family} {kind}\n");
    if let Some(unit) = f.prometheus_unit() {
        let _ = writeln!(out, "# UNIT {family} {unit}");
    }
    let _ = writeln!(out, "# HELP {family} {}", escape(f.help));
    out
}

/// Text 0.0.4: a family has the name of its samples, except for histograms. Infos are gauges, and help text may contain
/// quotes.
fn text_head(f: &Family, name: &str) -> String {
    let kind = match f.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge | MetricKind::Info => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let help = f.help.replace('\\', "\\\\").replace('\n', "\\n");
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn series(name: &str, s: &MetricSample) -> String {
    let (mut out, labels) = (String::new(), labels(&s.attributes));
    match &s.point {
        Point::Whole(v) => sample(&mut out, name, &labels, v),
        Point::Real(v) => sample(&mut out, name, &labels, v),
        Point::Histogram(h) => histogram(&mut out, name, &labels, h),
    }
    out
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

/// Label values in both formats, and help in OpenMetrics (section "Escaping"): backslash, quote and line feed.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::PIECE_BYTES;
    use super::*;

    fn families() -> Vec<LazyFamily> {
        let waits = Histogram { bounds: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.25 };
        let families = [
            Family::counter("a", "", "What \"a\" \\ is.", MetricSample::by("the.reason", [("x\"\n\\", 1)])),
            Family::gauge("b", "By", "b.", MetricSample::alone(7)),
            Family::histogram(
                "c",
                "s",
                "c.",
                vec![MetricSample::new([("k", "v".to_owned())], Point::Histogram(waits))],
            ),
            Family::info("d.info", "d.", vec![MetricSample::new([("k", "v".to_owned())], Point::Whole(1))]),
        ];
        families.map(LazyFamily::from).into()
    }

    const SAMPLES: [&str; 8] = [
        "a_total{the_reason=\"x\\\"\\n\\\\\"} 1",
        "b_bytes 7",
        "c_seconds_bucket{k=\"v\",le=\"0.5\"} 1",
        "c_seconds_bucket{k=\"v\",le=\"1.0\"} 1",
        "c_seconds_bucket{k=\"v\",le=\"+Inf\"} 3",
        "c_seconds_sum{k=\"v\"} 7.25",
        "c_seconds_count{k=\"v\"} 3",
        "d_info{k=\"v\"} 1",
    ];

    /// Comments and samples of a page.
    fn lines(format: Format) -> (Vec<String>, Vec<String>) {
        let page = String::from_utf8(format.pieces(families()).flatten().collect()).unwrap();
        page.lines().map(str::to_owned).partition(|l| l.starts_with('#'))
    }

    #[test]
    fn openmetrics_is_as_its_specification_says() {
        let (comments, samples) = lines(Format::OpenMetrics);
        let wanted = [
            "# TYPE a counter",
            "# HELP a What \\\"a\\\" \\\\ is.",
            "# TYPE b_bytes gauge",
            "# UNIT b_bytes bytes",
            "# HELP b_bytes b.",
            "# TYPE c_seconds histogram",
            "# UNIT c_seconds seconds",
            "# HELP c_seconds c.",
            "# TYPE d info",
            "# HELP d d.",
            "# EOF",
        ];
        assert_eq!((comments, samples), (wanted.map(str::to_owned).into(), SAMPLES.map(str::to_owned).into()));
    }

    #[test]
    fn the_text_format_has_the_same_samples_under_other_heads() {
        let (comments, samples) = lines(Format::Text);
        let wanted = [
            "# HELP a_total What \"a\" \\\\ is.",
            "# TYPE a_total counter",
            "# HELP b_bytes b.",
            "# TYPE b_bytes gauge",
            "# HELP c_seconds c.",
            "# TYPE c_seconds histogram",
            "# HELP d_info d.",
            "# TYPE d_info gauge",
        ];
        assert_eq!((comments, samples), (wanted.map(str::to_owned).into(), SAMPLES.map(str::to_owned).into()));
    }

    #[test]
    fn pieces_are_small_and_made_when_they_are_asked_for() {
        let samples = (0..10_000).map(|n| MetricSample::new([("n", n.to_string())], Point::Whole(n)));
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&asked);
        let samples = samples.inspect(move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        let families = vec![LazyFamily::new(Family::counter("a", "", "A.", Vec::new()), samples)];
        let mut pieces = Format::OpenMetrics.pieces(families);
        assert!((PIECE_BYTES..PIECE_BYTES + 20).contains(&pieces.next().unwrap().len()));
        assert!(asked.load(std::sync::atomic::Ordering::Relaxed) < 2000);
        assert!(pieces.all(|p| p.len() < PIECE_BYTES + 20));
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 10_000);
    }
}
