//! The ledger: where every packet is, from the kernel's own counters to the ends of records, so that whatever is missing
//! shows.
//!
//! Four balances. Of each interface: what the kernel counted has come to the capture ([`Check::Kernel`]); what was captured is
//! in flows, was discarded for a reason, or waits ([`Check::Capture`]). Of all together, because a flow may be seen on several
//! interfaces: what is in flows is in records, in the table, or waits ([`Check::Flows`]); what is in records is, at each of
//! their two ends, attributed to a process or not for a reason ([`Check::Ends`]).

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
pub(crate) use books::{Books, SEEN_ELSEWHERE, Standing};
pub(crate) use ends::Ends;
pub(crate) use flows::{EndAccount, FlowAccount};
pub(crate) use gap::{Check, Gap};
pub(crate) use interface::{InterfaceAccount, KernelAccount};

/// Everything at one moment, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Whether a filter (`--filter`) keeps packets from the capture, so that it cannot be compared with the kernel's counters.
    pub(crate) is_filtered: bool,
    /// By name. The socket of all interfaces is `any`.
    pub(crate) interfaces: Vec<InterfaceAccount>,
    /// All of them together.
    pub(crate) total: InterfaceAccount,
    /// What is in flows.
    pub(crate) flows: FlowAccount,
    /// `source` and `destination`.
    pub(crate) ends: BTreeMap<String, EndAccount>,
    /// What does not balance; empty: everything does.
    pub(crate) gaps: Vec<Gap>,
}

impl Ledger {
    /// Adds up, compares, and notes what does not come out.
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

    /// Whether nothing is missing.
    pub(crate) fn is_balanced(&self) -> bool {
        self.gaps.is_empty()
    }
}
