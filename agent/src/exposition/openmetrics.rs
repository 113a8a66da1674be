//! The OpenMetrics text format 1.0.0, as much of it as is needed.

use std::fmt::Write;

use pidflow_schema::metric::{Attributes, Family, Histogram, Kind, Point, Sample, prometheus_label};

use crate::published::families::view::LazyFamily;

/// The media type that goes with [`pieces`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Octets after which a piece is handed out: who does not read costs no more memory than one and a sample.
const PIECE: usize = 16 * 1024;

/// The whole page in pieces, each made when it is asked for.
pub(crate) fn pieces(families: Vec<LazyFamily>) -> impl Iterator<Item = String> {
    let mut texts = families.into_iter().flat_map(family).chain(["# EOF\n".to_owned()]);
    std::iter::from_fn(move || {
        let mut piece = texts.next()?;
        while piece.len() < PIECE
            && let Some(text) = texts.next()
        {
            piece += &text;
        }
        Some(piece)
    })
}

fn family(f: LazyFamily) -> impl Iterator<Item = String> {
    let name = f.head.prometheus_name();
    [head(&f.head)].into_iter().chain(f.samples.map(move |s| series(&name, &s)))
}

// Writing to a string cannot fail, hence every `let _`.
fn head(f: &Family) -> String {
    let kind = match f.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::Histogram => "histogram",
    };
    let family = f.prometheus_family();
    let mut out = format!("# TYPE {family} {kind}\n");
    if let Some(unit) = f.prometheus_unit() {
        let _ = writeln!(out, "# UNIT {family} {unit}");
    }
    let _ = writeln!(out, "# HELP {family} {}", escape(f.help));
    out
}

fn series(name: &str, s: &Sample) -> String {
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

/// OpenMetrics 1.0.0 section "Escaping": backslash, quote and line feed.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_the_format_says() {
        let waits = Histogram { bounds: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.25 };
        let families = [
            Family::counter("a", "", "What a is.", Sample::by("the.reason", [("x\"\n\\", 1)])),
            Family::gauge("b", "By", "b.", Sample::alone(7)),
            Family::histogram("c", "s", "c.", vec![Sample::new([("k", "v".to_owned())], Point::Histogram(waits))]),
        ];
        let page: String = pieces(families.map(LazyFamily::from).into()).collect();
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

    #[test]
    fn pieces_are_small_and_made_when_they_are_asked_for() {
        let samples = (0..10_000).map(|n| Sample::new([("n", n.to_string())], Point::Whole(n)));
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&asked);
        let samples = samples.inspect(move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        let mut pieces = pieces(vec![LazyFamily::new(Family::counter("a", "", "A.", Vec::new()), samples)]);
        assert!((PIECE..PIECE + 20).contains(&pieces.next().unwrap().len()));
        assert!(asked.load(std::sync::atomic::Ordering::Relaxed) < 2000);
        assert!(pieces.all(|p| p.len() < PIECE + 20));
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 10_000);
    }
}
