//! Converts the run's metrics to OTLP metrics, always cumulative.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pidflow_schema::metric::{Attributes, Family, MetricKind, MetricSample, Point, attribute_name};

use super::attributes::text;
use super::resource::scope;

/// Maximum number of data points in a request, so that it is smaller than the 4 MiB that receivers accept over gRPC.
const MAX_POINTS: usize = 2000;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Makes export requests, and remembers the start time of each series.
pub struct MetricEncoder {
    resource: Resource,
    /// The series of the last requests: names, attributes and start time, nanoseconds since the epoch.
    started: HashMap<(&'static str, Attributes), u64>,
    /// A new series began after this time, nanoseconds since the epoch.
    last_ns: u64,
}

impl MetricEncoder {
    /// An encoder for counters that began at `start_ns`, nanoseconds since the epoch. `resource`: see
    /// [`super::resource()`].
    #[must_use]
    pub fn new(resource: Resource, start_ns: u64) -> Self {
        Self { resource, started: HashMap::new(), last_ns: start_ns }
    }

    /// The families at `now_ns`, nanoseconds since the epoch; several requests if there are many series.
    #[must_use]
    pub fn requests(&mut self, families: &[Family], now_ns: u64) -> Vec<ExportMetricsServiceRequest> {
        let before = std::mem::take(&mut self.started);
        let (mut requests, mut metrics, mut points) = (Vec::new(), Vec::new(), 0);
        for (family, samples) in families.iter().flat_map(|f| f.samples.chunks(MAX_POINTS).map(move |s| (f, s))) {
            if points + samples.len() > MAX_POINTS {
                requests.push(self.request(std::mem::take(&mut metrics)));
                points = 0;
            }
            points += samples.len();
            metrics.push(self.metric(family, samples, &before, now_ns));
        }
        if !metrics.is_empty() {
            requests.push(self.request(metrics));
        }
        self.last_ns = now_ns;
        requests
    }

    fn request(&self, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
        let scope_metrics = ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() };
        let resource = Some(self.resource.clone());
        let all = ResourceMetrics { resource, scope_metrics: vec![scope_metrics], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![all] }
    }

    fn metric(
        &mut self,
        family: &Family,
        samples: &[MetricSample],
        before: &HashMap<(&'static str, Attributes), u64>,
        now_ns: u64,
    ) -> Metric {
        let start = |key: &(&'static str, Attributes)| before.get(key).copied().unwrap_or(self.last_ns);
        let keys = samples.iter().map(|s| (family.name, s.attributes.clone()));
        let started: Vec<_> = keys.map(|key| (start(&key), key)).collect();
        let timed = samples.iter().zip(&started).map(|(sample, (start_ns, _))| (sample, *start_ns));
        let data = data(family.kind, timed, now_ns);
        if family.kind != MetricKind::Gauge {
            self.started.extend(started.into_iter().map(|(start_ns, key)| (key, start_ns)));
        }
        Metric {
            name: family.name.into(),
            description: family.help.into(),
            unit: family.unit.into(),
            data: Some(data),
            ..Metric::default()
        }
    }
}

/// An info is a sum that is not monotonic, as the OpenTelemetry specification has it ("Prometheus and OpenMetrics
/// Compatibility", section "Info").
fn data<'a>(kind: MetricKind, samples: impl Iterator<Item = (&'a MetricSample, u64)>, now_ns: u64) -> Data {
    let sum =
        |data_points, is_monotonic| Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic });
    match kind {
        MetricKind::Counter => sum(numbers(samples, now_ns), true),
        MetricKind::Info => sum(numbers(samples, now_ns), false),
        MetricKind::Gauge => Data::Gauge(Gauge { data_points: numbers(samples.map(|(s, _)| (s, 0)), now_ns) }),
        MetricKind::Histogram => {
            let data_points = samples.filter_map(|(s, start_ns)| histogram(s, start_ns, now_ns)).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })
        }
    }
}

fn numbers<'a>(samples: impl Iterator<Item = (&'a MetricSample, u64)>, now_ns: u64) -> Vec<NumberDataPoint> {
    let point = |(sample, start_ns): (&MetricSample, u64)| {
        let value = match sample.point {
            Point::Whole(n) => Value::AsInt(i64::try_from(n).unwrap_or(i64::MAX)),
            Point::Real(x) => Value::AsDouble(x),
            Point::Histogram(_) => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(sample),
            start_time_unix_nano: start_ns,
            time_unix_nano: now_ns,
            value: Some(value),
            ..NumberDataPoint::default()
        })
    };
    samples.filter_map(point).collect()
}

fn histogram(sample: &MetricSample, start_ns: u64, now_ns: u64) -> Option<HistogramDataPoint> {
    let Point::Histogram(h) = &sample.point else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: start_ns,
        time_unix_nano: now_ns,
        count: h.count(),
        sum: Some(h.sum),
        bucket_counts: h.counts.clone(),
        explicit_bounds: h.bounds.to_vec(),
        ..HistogramDataPoint::default()
    })
}

/// An empty family is left out.
fn attributes(sample: &MetricSample) -> Vec<KeyValue> {
    let known = sample.attributes.iter().filter(|(_, value)| !value.is_empty());
    known.map(|(key, value)| text(attribute_name(key), value)).collect()
}

#[cfg(test)]
mod tests {
    use pidflow_schema::metric;

    use super::*;

    fn metrics(requests: &[ExportMetricsServiceRequest]) -> Vec<Metric> {
        let scopes = requests.iter().flat_map(|r| &r.resource_metrics).flat_map(|r| &r.scope_metrics);
        scopes.flat_map(|s| s.metrics.clone()).collect()
    }

    fn sum(metric: &Metric) -> &Sum {
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
        sum
    }

    #[test]
    fn each_kind_has_its_shape() {
        let info = MetricSample::new([("version", "1".to_owned()), ("none", String::new())], Point::Whole(1));
        let seconds = metric::Histogram { bounds: &[0.1, 1.0], counts: vec![1, 2, 3], sum: 9.5 };
        let families = [
            Family::counter("a.packets", "{packet}", "Packets.", MetricSample::alone(u64::MAX)),
            Family::gauge("a.load", "1", "Load.", vec![MetricSample::new([], Point::Real(0.5))]),
            Family::info("a.build.info", "Build.", vec![info]),
            Family::histogram("a.duration", "s", "Time.", vec![MetricSample::new([], Point::Histogram(seconds))]),
        ];
        let all = metrics(&MetricEncoder::new(Resource::default(), 7).requests(&families, 9));
        let (counter, info) = (sum(&all[0]), sum(&all[2]));
        assert_eq!((all[0].name.as_str(), all[0].unit.as_str()), ("a.packets", "{packet}"));
        assert_eq!((counter.is_monotonic, counter.aggregation_temporality), (true, CUMULATIVE));
        let point = &counter.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (7, 9));
        assert_eq!(point.value, Some(Value::AsInt(i64::MAX)));
        let Some(Data::Gauge(gauge)) = &all[1].data else { panic!("{all:?}") };
        assert_eq!(gauge.data_points[0].value, Some(Value::AsDouble(0.5)));
        assert_eq!((info.is_monotonic, info.data_points[0].attributes.len()), (false, 1));
        let Some(Data::Histogram(h)) = &all[3].data else { panic!("{all:?}") };
        let point = &h.data_points[0];
        assert_eq!(
            (point.count, point.sum, point.bucket_counts.len()),
            (6, Some(9.5), point.explicit_bounds.len() + 1)
        );
    }

    #[test]
    fn a_series_that_comes_later_began_after_the_last_request() {
        let edge = |name: &str, n| MetricSample::new([("id", name.to_owned())], Point::Whole(n));
        let family = |samples| [Family::counter("a.bytes", "By", "Octets.", samples)];
        let mut encoder = MetricEncoder::new(Resource::default(), 100);
        let mut starts = |samples, now_ns| -> Vec<u64> {
            let all = metrics(&encoder.requests(&family(samples), now_ns));
            sum(&all[0]).data_points.iter().map(|p| p.start_time_unix_nano).collect()
        };
        assert_eq!(starts(vec![edge("a", 5)], 200), [100]);
        assert_eq!(starts(vec![edge("a", 6), edge("b", 1)], 300), [100, 200]);
        assert_eq!(starts(vec![edge("b", 2)], 400), [200]);
        assert_eq!(starts(vec![edge("a", 1), edge("b", 2)], 500), [400, 200]);
    }

    #[test]
    fn many_series_are_several_requests() {
        let samples = (0..4500).map(|n| MetricSample::new([("n", n.to_string())], Point::Whole(n))).collect();
        let families =
            [Family::counter("a.x", "", "X.", samples), Family::gauge("a.y", "", "Y.", MetricSample::alone(1))];
        let requests = MetricEncoder::new(Resource::default(), 0).requests(&families, 1);
        assert_eq!(requests.len(), 3);
        let points = metrics(&requests).into_iter().map(|m| match m.data {
            Some(Data::Sum(s)) => s.data_points.len(),
            Some(Data::Gauge(g)) => g.data_points.len(),
            _ => 0,
        });
        assert_eq!(points.collect::<Vec<_>>(), [2000, 2000, 500, 1]);
    }
}
