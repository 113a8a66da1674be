//! The ledger accounts for every packet, from the kernel's counters to the ends of records, so that missing packets are
//! noticed.
//!
//! It has four balances. Two are per interface: packets that the kernel counted reached the capture
//! ([`Check::Kernel`]); captured packets are in flows, were discarded for a reason, or wait ([`Check::Capture`]). Two
//! are for all interfaces together, because a flow may be seen on several: packets in flows are in records, in the
//! table, or wait ([`Check::Flows`]); packets in records are, at each of the two ends, attributed to a process or not
//! attributed for a reason ([`Check::Ends`]).

mod amount;
mod books;
mod ends;
mod flows;
mod gap;
mod interface;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use amount::Amount;
pub(crate) use books::{Books, SAMPLED_OUT, SEEN_ELSEWHERE, Standing};
pub(crate) use ends::Ends;
pub(crate) use flows::{EndAccount, FlowAccount};
pub(crate) use gap::{Check, Gap};
pub(crate) use interface::{InterfaceAccount, KernelAccount};

/// The accounts at one moment, counted since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Whether a filter (`--filter`) excludes packets, so that the capture cannot be compared with the kernel's
    /// counters.
    pub(crate) is_filtered: bool,
    /// Accounts by name. The socket of all interfaces is `any`.
    pub(crate) interfaces: Vec<InterfaceAccount>,
    /// The sum of all interfaces.
    pub(crate) total: InterfaceAccount,
    /// The account of flows.
    pub(crate) flows: FlowAccount,
    /// `source` and `destination`.
    pub(crate) ends: BTreeMap<String, EndAccount>,
    /// Balances that are off; empty: none is.
    pub(crate) gaps: Vec<Gap>,
}

impl Ledger {
    /// Computes the total, and checks all balances.
    fn closed(mut self) -> Self {
        let mut total = InterfaceAccount::new("all");
        self.interfaces.iter().for_each(|interface| total.add(interface));
        if self.is_filtered {
            self.interfaces.iter_mut().for_each(|interface| interface.settled = None);
            total.settled = None;
        }
        self.interfaces.iter_mut().for_each(InterfaceAccount::compare);
        total.missed = self.interfaces.iter().map(|interface| interface.missed).sum();
        total.is_merged = total.missed > 0 && self.interfaces.iter().all(|i| i.missed == 0 || i.is_merged);
        let has_any = self.interfaces.iter().any(|interface| interface.name == crate::capture::ANY);
        if has_any {
            total.compare();
        }
        let of_total = total.gaps().filter(|gap| has_any && gap.check == Check::Kernel);
        let of_interfaces = self.interfaces.iter().flat_map(InterfaceAccount::gaps);
        let gaps = of_interfaces.chain(of_total).chain(self.flows.gap());
        self.gaps = gaps.chain(flows::end_gaps(&self.ends, self.flows.in_records)).collect();
        self.total = total;
        self
    }

    /// Whether no balance is off.
    pub(crate) fn is_balanced(&self) -> bool {
        self.gaps.is_empty()
    }
}
