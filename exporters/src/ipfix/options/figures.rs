//! The agent's own metrics, for which IANA has no elements: name, labels of the series, and total.

use pidflow_schema::DataType;
use pidflow_schema::metric::{Family, MetricSample, Point};

use crate::wire::Draft;

use super::super::SET_HEADER;
use super::{Field, Layout, OBSERVATION_DOMAIN, OwnElement, put_short};

/// Names of the metrics that are sent: packets by outcome, records by the reason for their end (evicted flows are
/// `lack-of-resources`), ends by how they were attributed or why not, and lost kernel events.
pub const FIGURES: [&str; 6] = [
    "pidflow.packets",
    "pidflow.packets.discarded",
    "pidflow.packets.dropped.by.kernel",
    "pidflow.records",
    "pidflow.record.ends",
    "pidflow.probe.events.lost",
];
/// The metrics of [`FIGURES`] that count packets in no flow.
const IGNORED: [&str; 2] = ["pidflow.packets.discarded", "pidflow.packets.dropped.by.kernel"];

const NAME: OwnElement = OwnElement { id: 900, name: "figureName", data_type: DataType::String };
const SERIES: OwnElement = OwnElement { id: 901, name: "figureSeries", data_type: DataType::String };
const TOTAL: OwnElement = OwnElement { id: 902, name: "figureTotal", data_type: DataType::Unsigned64 };

/// The elements, for their type records (RFC 5610).
pub(super) static OWN_ELEMENTS: [OwnElement; 3] = [NAME, SERIES, TOTAL];

const LAYOUT: Layout = Layout {
    id: 65_004,
    scopes: 3,
    fields: &[OBSERVATION_DOMAIN, Field::Own(&NAME), Field::Own(&SERIES), Field::Own(&TOTAL)],
};

/// Packets that are in no flow, for IANA's ignoredPacketTotalCount.
pub(in crate::ipfix) fn ignored_packets(families: &[Family]) -> u64 {
    let ignored = families.iter().filter(|f| IGNORED.contains(&f.name));
    ignored.flat_map(|f| &f.samples).filter_map(whole).sum()
}

pub(super) fn whole(sample: &MetricSample) -> Option<u64> {
    match sample.point {
        Point::Whole(n) => Some(n),
        Point::Real(_) | Point::Histogram(_) => None,
    }
}

/// A record to be written.
pub(in crate::ipfix) struct Figure {
    name: &'static str,
    series: String,
    total: u64,
}

impl Figure {
    /// The records of the families that are sent; a series is its `key=value` pairs joined by commas.
    pub(in crate::ipfix) fn of(families: &[Family]) -> Vec<Self> {
        let sent = families.iter().filter(|f| FIGURES.contains(&f.name));
        let figure = |f: &Family, s: &MetricSample| {
            let series: Vec<_> = s.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            Some(Self { name: f.name, series: series.join(","), total: whole(s)? })
        };
        sent.flat_map(|f| f.samples.iter().filter_map(|s| figure(f, s))).collect()
    }

    /// Octets that [`Self::put`] appends, at most.
    pub(in crate::ipfix) const fn octets(&self) -> usize {
        SET_HEADER + 4 + 1 + self.name.len() + 1 + self.series.len() + 8
    }

    /// Appends the record. Its options template must precede it.
    pub(in crate::ipfix) fn put(&self, domain: u32, draft: &mut Draft) {
        draft.open(LAYOUT.id);
        let out = draft.body();
        out.extend_from_slice(&domain.to_be_bytes());
        put_short(self.name, out);
        put_short(&self.series, out);
        out.extend_from_slice(&self.total.to_be_bytes());
        draft.count_option();
    }
}

/// Appends the options template.
pub(in crate::ipfix) fn put_figure_template(own_pen: u32, draft: &mut Draft) {
    LAYOUT.put(own_pen, draft);
}
