//! Counts records as they leave the pipeline, by how their ends were attributed.

use pidflow_engine::flow_table::Traffic;
use pidflow_schema::{Attribution, FlowRecord};

use super::Amount;

/// The ends of a record, in the order in which they are counted.
pub(super) const END_NAMES: [&str; 2] = ["source", "destination"];

/// The traffic in records, in total and at each end in the order of [`Attribution::ALL`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ends {
    in_records: Amount,
    by_attribution: [[Amount; Attribution::ALL.len()]; 2],
}

impl Ends {
    /// Counts a record, once at each end, with the packets of both directions.
    pub(crate) fn count(&mut self, record: &FlowRecord) {
        let amount = Amount::from(Traffic::of(&record.flow));
        self.in_records += amount;
        for (side, end) in self.by_attribution.iter_mut().zip([&record.source, &record.destination]) {
            let place = Attribution::ALL.iter().position(|a| *a == end.attribution);
            if let Some(sum) = place.and_then(|place| side.get_mut(place)) {
                *sum += amount;
            }
        }
    }

    pub(super) const fn in_records(&self) -> Amount {
        self.in_records
    }

    pub(super) const fn by_attribution(&self) -> &[[Amount; Attribution::ALL.len()]; 2] {
        &self.by_attribution
    }
}
