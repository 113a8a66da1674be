//! Answers as JSON lines.

use jiff::Timestamp;
use pidflow_exporters::json::JsonEncoder;
use pidflow_exporters::{JsonKeys, Template};
use pidflow_expression::Selector;
use pidflow_history::{Group, Point};
use pidflow_schema::{Enterprise, FlowRecord};
use serde_json::{Map, Value};

use crate::history::{group_values, sums_values};

/// Records as the JSON exporter writes them.
pub(super) fn records(records: impl Iterator<Item = FlowRecord>) -> Vec<u8> {
    let encoder = JsonEncoder::new(&Template::default(), JsonKeys::Names, Enterprise::DEFAULT_OWN_PEN);
    let mut out = Vec::new();
    records.for_each(|record| encoder.encode(&[record], &mut out));
    out
}

/// One line for each group, with the names as keys.
pub(super) fn groups(by: &[Selector], groups: &[Group]) -> String {
    lines(groups.iter().map(|group| group_values(by, group)))
}

/// One line for each interval.
pub(super) fn points(points: &[Point]) -> String {
    lines(points.iter().map(|point| {
        let start = Timestamp::from_nanosecond(point.start_ns.into()).map_or_else(|_| String::new(), |t| t.to_string());
        let mut line = Map::from_iter([("start".to_owned(), Value::from(start))]);
        line.extend(sums_values(&point.sums));
        line
    }))
}

fn lines(objects: impl Iterator<Item = Map<String, Value>>) -> String {
    objects.map(|object| Value::Object(object).to_string() + "\n").collect()
}
