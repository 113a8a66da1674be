//! From sums by key to metrics: one family per column, one series per key.

use pidflow_schema::metric::{Attributes, Family, Kind, Point, Sample};

use super::top::Shown;

/// One family of several that have the same series.
pub(super) struct Column<V> {
    /// As in [`Family`].
    pub(super) name: &'static str,
    /// As in [`Family`].
    pub(super) unit: &'static str,
    /// As in [`Family`].
    pub(super) kind: Kind,
    /// As in [`Family`].
    pub(super) help: &'static str,
    /// The value of a series; none: not known.
    pub(super) point: fn(&V) -> Option<Point>,
}

/// A counter of whole numbers.
pub(super) const fn counter<V>(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    point: fn(&V) -> Option<Point>,
) -> Column<V> {
    Column { name, unit, kind: Kind::Counter, help, point }
}

/// The families of some columns.
pub(super) fn families<V>(columns: &[Column<V>], rows: &[(Attributes, &V)]) -> Vec<Family> {
    columns.iter().map(|c| family(c, rows)).collect()
}

fn family<V>(c: &Column<V>, rows: &[(Attributes, &V)]) -> Family {
    let samples = rows.iter().filter_map(|(a, v)| Some(Sample::new(Attributes::clone(a), (c.point)(v)?)));
    Family { name: c.name, unit: c.unit, kind: c.kind, help: c.help, samples: samples.collect() }
}

/// The rows of keys with a series, and of those without.
pub(super) fn rows<K, V>(shown: &Shown<K, V>, attributes: impl Fn(Option<&K>) -> Attributes) -> Vec<(Attributes, &V)> {
    let series = shown.series.iter().map(|(key, v)| (attributes(Some(key)), v));
    series.chain([(attributes(None), &shown.other)]).collect()
}

/// The row of withdrawn series, for families of their own.
pub(super) fn retired<K, V>(shown: &Shown<K, V>) -> Vec<(Attributes, &V)> {
    vec![(Attributes::from([]), &shown.retired)]
}
