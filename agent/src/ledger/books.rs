//! Keeps the accounts of the ledger while the pipeline runs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pidflow_engine::decode::FrameCount;
use pidflow_engine::flow_table::{FlowTable, ForgottenInterface, Traffic};
use pidflow_schema::Flow;

use super::{Amount, Ends, FlowAccount, InterfaceAccount, KernelAccount, Ledger, flows};
use pidflow_capture::{BatchCounts, CaptureCounters, Interface, InterfaceCounts};

/// The greatest number of interfaces with an account of their own, each of which is a series of every metric. Beyond
/// it, the account of an interface that is no longer captured is closed and added to [`OTHER`].
const MAX_ACCOUNTS: usize = 256;
/// The greatest number of interface numbers kept. An interface gets a new number each time that it reappears; beyond
/// the limit, the account of the one that reappeared most often is closed.
const MAX_NUMBERS: usize = 16_384;
/// The name of the shared account of interfaces without one of their own.
const OTHER: &str = "other";
/// The reason for packets that are not counted because their flow is counted at another interface.
pub(crate) const SEEN_ELSEWHERE: &str = "seen-elsewhere";
/// The reason for packets that were not selected while packets were sampled.
pub(crate) const SAMPLED_OUT: &str = "sampled-out";
/// The index of the account [`OTHER`], which no interface has.
const OTHER_INDEX: u32 = u32::MAX;

/// What the packet threads counted of one interface.
#[derive(Debug, Clone, Default)]
struct Account {
    name: Arc<str>,
    frames: BatchCounts,
    /// The capture's latest counters.
    counts: InterfaceCounts,
    /// What the flow table counted at numbers of it that are forgotten, here and at another interface.
    in_flows: FrameCount,
    seen_elsewhere: FrameCount,
}

impl Account {
    fn add(&mut self, other: &Self) {
        self.frames.add(&other.frames);
        self.in_flows += other.in_flows;
        self.seen_elsewhere += other.seen_elsewhere;
        if let Some(more) = other.counts.kernel {
            self.counts.kernel.get_or_insert_default().add(more);
        }
        if let Some(more) = other.counts.socket {
            self.counts.socket.get_or_insert_default().add(more);
        }
    }

    fn shown(&self) -> InterfaceAccount {
        let socket = self.counts.socket;
        let kernel = |k: pidflow_capture::LinkCounts| KernelAccount {
            amount: Amount { packets: k.packets, bytes: k.octets },
            errors: k.errors,
            dropped: k.dropped,
        };
        let frames = &self.frames;
        let named = frames.discards.iter().map(|(reason, n)| (reason.name(), n));
        let copies = [
            ("loopback-copy", frames.loopback_copies),
            (SAMPLED_OUT, frames.sampled_out),
            (SEEN_ELSEWHERE, self.seen_elsewhere),
        ];
        let copies = copies.into_iter().filter(|(_, n)| n.packets > 0);
        let settled = self.counts.settled.map(|k| Amount { packets: k.packets, bytes: k.octets });
        InterfaceAccount {
            is_captured: self.counts.is_captured,
            kernel: self.counts.kernel.map(kernel),
            settled,
            received: socket.map(|s| s.received),
            dropped: socket.unwrap_or_default().dropped,
            unread: socket.unwrap_or_default().unread,
            captured: frames.captured.into(),
            in_flows: self.in_flows.into(),
            long_frames: frames.long_frames,
            discarded: named.chain(copies).map(|(reason, n)| (reason.to_owned(), n.into())).collect(),
            ..InterfaceAccount::new(&self.name)
        }
    }
}

/// Input from other modules that is needed to close the ledger.
pub(crate) struct Standing<'a> {
    /// The capture's counters.
    pub(crate) capture: &'a CaptureCounters,
    /// The flow table.
    pub(crate) table: &'a FlowTable,
    /// Packets that wait to be counted, by number of the interface.
    pub(crate) held: &'a [(u32, FrameCount)],
    /// Flows that wait for their join.
    pub(crate) to_join: Traffic,
    /// Sums of the records that were made.
    pub(crate) ends: &'a Ends,
}

/// The accounts of a run.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Accounts by the kernel's index of the interface.
    accounts: BTreeMap<u32, Account>,
    /// The index of each interface with an account of its own, by number.
    indices: HashMap<u32, u32>,
    /// Indices whose account was closed, as long as the capture knows the interface.
    closed: HashSet<u32>,
    from_others: Traffic,
    is_filtered: bool,
}

impl Books {
    /// Takes over the packet threads' counters of a batch, and the interfaces that it announces.
    pub(crate) fn count(&mut self, interfaces: &[Interface], counts: &[BatchCounts]) {
        for interface in interfaces.iter().filter(|interface| !interface.is_gone) {
            if !self.closed.contains(&interface.index) {
                self.indices.insert(interface.number, interface.index);
                self.account(interface.index).name = Arc::clone(&interface.name);
            }
        }
        while self.indices.len() > MAX_NUMBERS {
            let Some(index) = self.most_numbered() else { break };
            self.close_account(index);
        }
        for more in counts {
            self.account(self.index(more.interface)).frames.add(more);
        }
    }

    /// Interfaces that the flow table has forgotten: what it counted there is kept here.
    pub(crate) fn take_forgotten(&mut self, interfaces: &[ForgottenInterface]) {
        for forgotten in interfaces {
            let account = self.account(self.index(forgotten.number));
            account.in_flows += forgotten.counted;
            account.seen_elsewhere += forgotten.seen_elsewhere;
            self.indices.remove(&forgotten.number);
        }
    }

    /// Counts flows that other sources built.
    pub(crate) fn take_flows(&mut self, flows: &[Flow]) {
        flows.iter().for_each(|flow| self.from_others += Traffic::of(flow));
    }

    fn index(&self, number: u32) -> u32 {
        self.indices.get(&number).copied().unwrap_or(OTHER_INDEX)
    }

    /// The index of an interface's account: [`OTHER_INDEX`] if its own was closed.
    fn account_index(&self, index: u32) -> u32 {
        if self.closed.contains(&index) { OTHER_INDEX } else { index }
    }

    /// The account of an interface, or the shared one if its own was closed.
    fn account(&mut self, index: u32) -> &mut Account {
        let index = self.account_index(index);
        self.accounts.entry(index).or_insert_with(|| match index {
            OTHER_INDEX => Account { name: OTHER.into(), ..Account::default() },
            _ => Account::default(),
        })
    }

    /// Takes over the capture's counters of each interface. Accounts of interfaces that the capture has forgotten do
    /// not change.
    fn take_counts(&mut self, by_interface: &[InterfaceCounts]) {
        self.accounts.values_mut().for_each(|account| account.counts.is_captured = false);
        let known: HashSet<u32> = by_interface.iter().map(|counts| counts.index).collect();
        self.closed.retain(|index| known.contains(index));
        for counts in by_interface {
            self.is_filtered |= counts.is_filtered;
            if !self.closed.contains(&counts.index) {
                let account = self.account(counts.index);
                account.name = Arc::clone(&counts.name);
                account.counts = counts.clone();
            }
        }
        while self.accounts.len() > MAX_ACCOUNTS {
            let own = self.accounts.iter().filter(|(index, _)| **index != OTHER_INDEX);
            let (gone, any) = (own.clone().find(|(_, a)| !a.counts.is_captured), own.clone().next_back());
            let Some(index) = gone.or(any).map(|(index, _)| *index) else { break };
            self.close_account(index);
        }
    }

    /// The index with the most interface numbers.
    fn most_numbered(&self) -> Option<u32> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        self.indices.values().for_each(|index| *counts.entry(*index).or_default() += 1);
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(index, _)| index)
    }

    fn close_account(&mut self, index: u32) {
        self.indices.retain(|_, other| *other != index);
        self.closed.insert(index);
        let Some(account) = self.accounts.remove(&index) else { return };
        self.account(OTHER_INDEX).add(&account);
    }

    /// Numbers of accounts, of interface numbers and of closed accounts.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.accounts.len(), self.indices.len(), self.closed.len())
    }

    /// The ledger at this moment.
    pub(crate) fn close(&mut self, standing: &Standing<'_>) -> Ledger {
        self.take_counts(&standing.capture.by_interface);
        let (table, ends) = (standing.table, standing.ends);
        let mut shown: BTreeMap<u32, InterfaceAccount> = self.accounts.iter().map(|(i, a)| (*i, a.shown())).collect();
        let mut at = |number: u32, add: &dyn Fn(&mut InterfaceAccount)| {
            let index = self.account_index(self.index(number));
            add(shown.entry(index).or_insert_with(|| InterfaceAccount::new(OTHER)));
        };
        for (number, counted) in table.counted_by_interface() {
            at(number, &|account| account.in_flows += counted.into());
        }
        for (number, seen) in table.seen_elsewhere_by_interface().filter(|(_, seen)| seen.packets > 0) {
            at(number, &|account| *account.discarded.entry(SEEN_ELSEWHERE.to_owned()).or_default() += seen.into());
        }
        let fragments = table
            .held_fragments()
            .map(|(number, octets)| (number, FrameCount { packets: 1, frame_octets: octets.into() }));
        for (number, waits) in standing.held.iter().copied().chain(fragments) {
            at(number, &|account| account.to_count += waits.into());
        }
        let counters = table.counters();
        let flows = FlowAccount {
            in_flows: counters.in_flows().into(),
            from_others: self.from_others.into(),
            in_table: table.unrecorded().into(),
            to_join: standing.to_join.into(),
            in_records: ends.in_records(),
        };
        let (interfaces, ends) = (by_name(shown.into_values()), flows::end_accounts(ends));
        Ledger { is_filtered: self.is_filtered, interfaces, flows, ends, ..Ledger::default() }.closed()
    }
}

/// Merges accounts by name: an interface that reappeared has another index and the same name.
fn by_name(accounts: impl Iterator<Item = InterfaceAccount>) -> Vec<InterfaceAccount> {
    let mut named: BTreeMap<String, InterfaceAccount> = BTreeMap::new();
    for account in accounts {
        named.entry(account.name.clone()).or_insert_with(|| InterfaceAccount::new(&account.name)).add(&account);
    }
    named.into_values().collect()
}
