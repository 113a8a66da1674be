//! Converts sums by key to metrics. For each column there is a family with one series per key, and one with the counts
//! of withdrawn series, so that shown + other + retired = everything.

use pidflow_schema::metric::{Attributes, Family, MetricKind, MetricSample, Point};

use super::view::{LazyFamily, View};
use crate::metrics::talk::ShownTraffic;
use crate::metrics::top::Shown;

/// The label for keys without a series.
pub(super) const OTHER: &str = "other";
/// Number of the first status, in which `other` and `retired` are.
const FIRST_STATUS: u64 = 1;
const RETIRED: &str = "Counts of withdrawn series of the family without `retired` in its name.";

/// A kind of sums, and the labels of their series.
pub(super) struct Subject<K: 'static, V: 'static> {
    /// Selects the sums.
    pub(super) shown: fn(&ShownTraffic) -> &Shown<K, V>,
    /// The labels of a key on the host with this name; none: the labels of `other`.
    pub(super) attributes: fn(Option<&K>, &str) -> Attributes,
}

impl<K, V> Clone for Subject<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Subject<K, V> {}

/// One counter or histogram of several that have the same series.
#[derive(Debug)]
pub(super) struct Column<V> {
    /// Names of the family and of that of its withdrawn series: [`names`].
    pub(super) names: [&'static str; 2],
    /// As in [`Family`].
    pub(super) unit: &'static str,
    /// As in [`Family`].
    pub(super) kind: MetricKind,
    /// As in [`Family`].
    pub(super) help: &'static str,
    /// How its values are read.
    pub(super) read: Read<V>,
}

/// How the values of a key are read.
#[derive(Debug)]
pub(super) enum Read<V> {
    /// One; none: not known.
    One(fn(&V) -> Option<Point>),
    /// Two series that this label distinguishes.
    Two(&'static str, fn(&V) -> [(&'static str, u64); 2]),
}

/// The names of a column: `retired` comes after the subject.
macro_rules! names {
    ($subject:literal, $separator:literal, $what:literal) => {
        [concat!($subject, $separator, $what), concat!($subject, $separator, "retired", $separator, $what)]
    };
    ($subject:literal, $what:literal) => {
        $crate::published::families::columns::names!($subject, ".", $what)
    };
}
pub(super) use names;

/// A counter of whole numbers.
pub(super) const fn counter<V>(
    names: [&'static str; 2],
    unit: &'static str,
    help: &'static str,
    read: fn(&V) -> Option<Point>,
) -> Column<V> {
    Column { names, unit, kind: MetricKind::Counter, help, read: Read::One(read) }
}

/// The families of some columns.
pub(super) fn families<K, V>(
    view: &View,
    subject: Subject<K, V>,
    columns: &'static [Column<V>],
) -> impl Iterator<Item = LazyFamily> {
    let shown =
        move |c: &'static Column<V>| LazyFamily::new(c.family(c.names[0], c.help), samples(view.clone(), subject, c));
    let retired = move |c: &'static Column<V>| {
        LazyFamily::new(c.family(c.names[1], RETIRED), c.retired(view, subject).into_iter())
    };
    columns.iter().map(shown).chain(columns.iter().map(retired))
}

/// Of all keys that have a series, and of all others together.
fn samples<K, V>(view: View, subject: Subject<K, V>, column: &'static Column<V>) -> impl Iterator<Item = MetricSample> {
    let keys = (subject.shown)(&view.status.talk).series.len();
    (0..=keys).flat_map(move |i| {
        let shown = (subject.shown)(&view.status.talk);
        let (key, since, sums) =
            shown.series.get(i).map_or((None, FIRST_STATUS, &shown.other), |s| (Some(&s.key), s.since, &s.sums));
        column.samples((subject.attributes)(key, &view.host), sums, view.is_new(since))
    })
}

impl<V> Column<V> {
    const fn family(&self, name: &'static str, help: &'static str) -> Family {
        Family { name, unit: self.unit, kind: self.kind, help, samples: Vec::new() }
    }

    fn retired<K>(&self, view: &View, subject: Subject<K, V>) -> Vec<MetricSample> {
        self.samples(Attributes::from([]), &(subject.shown)(&view.status.talk).retired, view.is_new(FIRST_STATUS))
    }

    fn samples(&self, attributes: Attributes, sums: &V, is_new: bool) -> Vec<MetricSample> {
        let begun = |point: Point| if is_new { point.beginning() } else { point };
        match self.read {
            Read::One(read) => {
                read(sums).map(|point| MetricSample::new(attributes, begun(point))).into_iter().collect()
            }
            Read::Two(key, read) => {
                let sample = |(value, n): (&str, u64)| {
                    let more = [(key, value.to_owned())];
                    MetricSample::new(
                        attributes.iter().cloned().chain(more).collect::<Vec<_>>(),
                        begun(Point::Whole(n)),
                    )
                };
                read(sums).map(sample).into()
            }
        }
    }
}
