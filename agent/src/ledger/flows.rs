//! The account of traffic in flows; bytes count from the IP header on.

use std::collections::BTreeMap;

use pidflow_schema::Attribution;
use serde::{Deserialize, Serialize};

use super::ends::{END_NAMES, Ends};
use super::{Amount, Check, Gap};

/// Traffic in flows, and where it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct FlowAccount {
    /// In flows since the start.
    pub(crate) in_flows: Amount,
    /// In flows built by other sources.
    pub(crate) from_others: Amount,
    /// Part of both in the flow table that no record has reported yet.
    pub(crate) in_table: Amount,
    /// Part of both in ended flows that wait for late kernel events.
    pub(crate) to_join: Amount,
    /// Part of both in records.
    pub(crate) in_records: Amount,
}

impl FlowAccount {
    /// The difference, if this balance is off.
    pub(super) fn gap(&self) -> Option<Gap> {
        let there = self.in_table + self.to_join + self.in_records;
        Gap::between(Check::Flows, "", [self.in_flows + self.from_others, there])
    }
}

/// The traffic in records, by the attribution of one of their ends. Each record counts once, with both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct EndAccount {
    /// Ends with a process, by how it was found.
    pub(crate) attributed: BTreeMap<String, Amount>,
    /// Ends without a process, by reason.
    pub(crate) not_attributed: BTreeMap<String, Amount>,
}

impl EndAccount {
    fn of(by_attribution: &[Amount; Attribution::ALL.len()]) -> Self {
        let mut account = Self::default();
        for (attribution, amount) in Attribution::ALL.into_iter().zip(by_attribution) {
            let side = if attribution.has_process() { &mut account.attributed } else { &mut account.not_attributed };
            if *amount != Amount::default() {
                side.insert(attribution.name().to_owned(), *amount);
            }
        }
        account
    }

    /// The sum of both.
    pub(crate) fn total(&self) -> Amount {
        self.attributed.values().chain(self.not_attributed.values()).copied().sum()
    }
}

/// The accounts of the source and the destination.
pub(super) fn end_accounts(ends: &Ends) -> BTreeMap<String, EndAccount> {
    let accounts = ends.by_attribution().iter().map(EndAccount::of);
    END_NAMES.into_iter().map(str::to_owned).zip(accounts).collect()
}

/// Ends whose parts do not add up to the traffic in records.
pub(super) fn end_gaps(ends: &BTreeMap<String, EndAccount>, in_records: Amount) -> impl Iterator<Item = Gap> {
    ends.iter().filter_map(move |(name, end)| Gap::between(Check::Ends, name, [in_records, end.total()]))
}
