//! Prometheus' protobuf format: `io/prometheus/client/metrics.proto` of its client_model.
//!
//! The histograms are the same as in the other formats, with fixed bounds. A family is one message and is generated as
//! a whole, because some readers keep only one message of each name; its size is bounded by `--max-edges`.

use pidflow_schema::metric::{MetricKind, MetricSample, Point, prometheus_label};
use prost::Message;

use crate::published::families::view::LazyFamily;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<Label>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Value>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// `Gauge` and `Counter`.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

/// The message, preceded by its length; none: the family has no series, which readers treat as an error.
pub(super) fn family(f: LazyFamily) -> Option<Vec<u8>> {
    let kind = match f.head.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge | MetricKind::Info => MetricType::Gauge,
        MetricKind::Histogram => MetricType::Histogram,
    };
    let family = MetricFamily {
        name: Some(f.head.prometheus_name()),
        help: Some(f.head.help.to_owned()),
        kind: Some(kind.into()),
        metric: f.samples.map(|sample| metric(kind, sample)).collect(),
    };
    (!family.metric.is_empty()).then(|| family.encode_length_delimited_to_vec())
}

fn metric(kind: MetricType, sample: MetricSample) -> Metric {
    let label =
        |(name, value): &(&str, String)| Label { name: Some(prometheus_label(name)), value: Some(value.clone()) };
    let mut metric = Metric { label: sample.attributes.iter().map(label).collect(), ..Metric::default() };
    let value = match sample.point {
        Point::Whole(value) => value as f64,
        Point::Real(value) => value,
        Point::Histogram(of) => {
            metric.histogram = Some(histogram(&of));
            return metric;
        }
    };
    let value = Some(Value { value: Some(value) });
    match kind {
        MetricType::Counter => metric.counter = value,
        MetricType::Gauge | MetricType::Histogram => metric.gauge = value,
    }
    metric
}

/// Buckets are cumulative. The last one, without a bound, follows from the count.
fn histogram(of: &pidflow_schema::metric::Histogram) -> Histogram {
    let mut below = 0;
    let bucket = of.bounds.iter().zip(&of.counts).map(|(bound, count)| {
        below += count;
        Bucket { cumulative_count: Some(below), upper_bound: Some(*bound) }
    });
    Histogram { bucket: bucket.collect(), sample_count: Some(of.count()), sample_sum: Some(of.sum) }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::metric::Family;

    use super::*;

    /// As `protoc --encode` writes it by hand: `name: "a_total" help: "A." type: COUNTER metric { label { name: "k_l" value: "v" }
    /// counter { value: 1 } }`.
    #[test]
    fn octets_are_those_of_the_message() {
        let one = Family::counter("a", "", "A.", vec![MetricSample::new([("k.l", "v".to_owned())], Point::Whole(1))]);
        let label = b"\x0a\x08\x0a\x03k_l\x12\x01v";
        let counter = b"\x1a\x09\x09\0\0\0\0\0\0\xf0\x3f";
        let mut expected = b"\x0a\x07a_total\x12\x02A.\x18\x00\x22".to_vec();
        expected.push((label.len() + counter.len()) as u8);
        expected.extend(label);
        expected.extend(counter);
        expected.insert(0, expected.len() as u8);
        assert_eq!(family(one.into()).unwrap(), expected);
        assert_eq!(family(Family::gauge("b", "", "B.", Vec::new()).into()), None);
    }

    #[test]
    fn histograms_are_cumulative_and_have_their_sum() {
        let of = pidflow_schema::metric::Histogram { bounds: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.25 };
        let histogram = histogram(&of);
        let buckets: Vec<_> =
            histogram.bucket.iter().map(|b| (b.upper_bound.unwrap(), b.cumulative_count.unwrap())).collect();
        assert_eq!(buckets, [(0.5, 1), (1.0, 1)]);
        assert_eq!((histogram.sample_count, histogram.sample_sum), (Some(3), Some(7.25)));
    }
}
