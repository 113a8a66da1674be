//! The rows of a list, made from the flows that are selected.

mod flows;
mod groups;
mod processes;
mod tree;

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{FlowRecord, ProcessEnd, Protocol};

use super::book::{Book, KnownFlow, ProcessKey};
use super::cell::Cell;
use super::tab::Tab;

pub(super) use flows::state;
pub(super) use groups::{PairEnd, PairId};
pub(super) use tree::parse as parse_ancestors;

/// What a row stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum RowId {
    /// A flow, by its number.
    Flow(u64),
    /// A process.
    Process(ProcessKey),
    /// Flows with the same names and service.
    Pair(PairId),
    /// An address.
    Host(IpAddr),
    /// A user.
    User(Arc<str>),
}

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// What it stands for.
    pub(super) id: RowId,
    /// One for each column of the tab.
    pub(super) cells: Vec<Cell>,
    /// How far its name is indented, in levels.
    pub(super) depth: usize,
    /// Whether something failed.
    pub(super) has_failed: bool,
    /// Whether it is of the past: drawn less bright.
    pub(super) is_past: bool,
}

impl Row {
    fn new(id: RowId, cells: Vec<Cell>) -> Self {
        Self { id, cells, depth: 0, has_failed: false, is_past: false }
    }
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sorting {
    /// The number of the column.
    pub(super) column: usize,
    /// Against the usual direction: names usually ascend, numbers descend.
    pub(super) is_reversed: bool,
}

impl Sorting {
    /// The order of two rows of the tab.
    fn order(self, tab: Tab, a: &Row, b: &Row) -> std::cmp::Ordering {
        let order = a.cells.get(self.column).cmp(&b.cells.get(self.column));
        if self.descends(tab) { order.reverse() } else { order }
    }

    /// Whether the largest comes first.
    pub(super) fn descends(self, tab: Tab) -> bool {
        let is_number = tab.columns().get(self.column).is_some_and(super::tab::Column::is_number);
        is_number != self.is_reversed
    }
}

/// Everything that a list is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The list.
    pub(super) tab: Tab,
    /// Its order.
    pub(super) sorting: Sorting,
    /// Processes below their parents.
    pub(super) is_tree: bool,
    /// What is known of processes.
    pub(super) book: &'a Book,
    /// Seconds since the start.
    pub(super) now_s: u64,
}

/// The rows of the list, sorted.
pub(super) fn rows(flows: &[&KnownFlow], wanted: Wanted<'_>) -> Vec<Row> {
    let mut rows = match wanted.tab {
        Tab::Flows => flows.iter().map(|flow| flows::row(flow, wanted.now_s)).collect(),
        Tab::Processes => processes::rows(flows, wanted),
        Tab::Pairs => groups::pairs(flows, wanted.now_s),
        Tab::Hosts => groups::hosts(flows, wanted.now_s),
        Tab::Users => groups::users(flows, wanted.now_s),
    };
    // What is equal keeps its place from one second to the next.
    rows.sort_by(|a, b| wanted.sorting.order(wanted.tab, a, b).then_with(|| fixed_order(a, b)));
    if wanted.tab == Tab::Processes && wanted.is_tree {
        rows = tree::below_parents(rows, flows);
    }
    rows
}

fn fixed_order(a: &Row, b: &Row) -> std::cmp::Ordering {
    match (&a.id, &b.id) {
        // The latest flow first.
        (RowId::Flow(a), RowId::Flow(b)) => b.cmp(a),
        (RowId::Process(a), RowId::Process(b)) => a.cmp(b),
        (RowId::Host(a), RowId::Host(b)) => a.cmp(b),
        _ => a.cells.cmp(&b.cells),
    }
}

/// Sums over flows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    flows: u64,
    failed: u64,
    sent: u64,
    received: u64,
    packets: u64,
    rate: u64,
    is_active: bool,
}

impl Sums {
    /// Adds a flow, as seen from its source or from its destination.
    fn add(&mut self, flow: &KnownFlow, is_source: bool, now_s: u64) {
        let f = &flow.record.flow;
        let (sent, received) = if is_source { (&f.forward, &f.reverse) } else { (&f.reverse, &f.forward) };
        self.flows += 1;
        self.failed += u64::from(is_source && flow.record.connect_error.is_some());
        self.sent += sent.octets;
        self.received += received.octets;
        self.packets += sent.packets + received.packets;
        self.rate += flow.rate(now_s);
        self.is_active |= flow.is_active;
    }

    const fn bytes(&self) -> u64 {
        self.sent + self.received
    }

    /// Marks the row of which these are the sums.
    fn mark(&self, row: Row) -> Row {
        Row { has_failed: self.failed > 0, is_past: !self.is_active && self.rate == 0, ..row }
    }
}

/// `name(pid)`, the name that the other end used, or the address.
pub(super) fn end_label(end: &ProcessEnd, address: IpAddr) -> String {
    match &end.process {
        Some(process) => format!("{}({})", process.name, process.pid),
        None => requested_name(end).unwrap_or_else(|| address.to_string()),
    }
}

/// The name of an end without a process; none: it has none.
fn requested_name(end: &ProcessEnd) -> Option<String> {
    let pod = end.pod().map(|pod| format!("{}/{}", pod.namespace, pod.name));
    let name = || end.endpoint.as_ref().map(|e| e.name.to_string()).filter(|name| !name.is_empty());
    pod.or_else(name)
}

/// `tcp:443`, `icmp`.
pub(super) fn service(r: &FlowRecord) -> String {
    let number = r.flow.protocol;
    match (Protocol::name(number), number) {
        (Some(name), Protocol::TCP | Protocol::UDP | Protocol::SCTP) => format!("{name}:{}", r.flow.destination_port),
        (Some(name), _) => name.into(),
        (None, _) => format!("ip:{number}"),
    }
}

#[cfg(test)]
mod tests;
