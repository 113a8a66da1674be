//! The rows of the lists of pairs, hosts and users.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{FlowRecord, ProcessEnd};

use super::{Row, RowId, Sums, requested_name, service};
use crate::live_view::book::{KnownFlow, ProcessKey};
use crate::live_view::cell::Cell;

/// One end of a pair: names, not processes, so that a hundred short-lived processes do not fill the screen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::live_view) enum PairEnd {
    /// A process's name.
    Process(Arc<str>),
    /// The address of an end without a process.
    Address(IpAddr),
}

impl PairEnd {
    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        end.process.as_ref().map_or(Self::Address(address), |p| Self::Process(Arc::clone(&p.name)))
    }
}

/// What the flows of a pair have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::live_view) struct PairId {
    /// The clients.
    pub(in crate::live_view) source: PairEnd,
    /// The servers.
    pub(in crate::live_view) destination: PairEnd,
    /// IP protocol number.
    pub(in crate::live_view) protocol: u8,
    /// The server's port.
    pub(in crate::live_view) port: u16,
}

impl PairId {
    /// Of a record.
    pub(in crate::live_view) fn of(r: &FlowRecord) -> Self {
        Self {
            source: PairEnd::of(&r.source, r.flow.source),
            destination: PairEnd::of(&r.destination, r.flow.destination),
            protocol: r.flow.protocol,
            port: r.flow.destination_port,
        }
    }
}

/// Flows that belong together.
#[derive(Debug, Default)]
struct Group {
    sums: Sums,
    sources: HashSet<ProcessKey>,
    destinations: HashSet<ProcessKey>,
    /// Those at its own ends.
    members: HashSet<ProcessKey>,
    /// The latest flow in the sums: one with both ends in the group counts once.
    latest: u64,
    /// The name that others used for an address.
    name: Option<String>,
}

/// A group's key, and whether it is at the flow's source.
type Membership<K> = (K, bool);

fn grouped<'a, K: Eq + Hash, I: IntoIterator<Item = Membership<K>>>(
    flows: &[&'a KnownFlow],
    now_s: u64,
    of: impl Fn(&'a KnownFlow) -> I,
) -> HashMap<K, Group> {
    let mut groups: HashMap<K, Group> = HashMap::new();
    for flow in flows {
        for (key, is_source) in of(flow) {
            let group = groups.entry(key).or_default();
            if group.latest != flow.id {
                group.latest = flow.id;
                group.sums.add(flow, is_source, now_s);
            }
            let end = if is_source { &flow.record.source } else { &flow.record.destination };
            group.name = group.name.take().or_else(|| requested_name(end));
            let ids = |end: &ProcessEnd| end.process.as_deref().map(ProcessKey::of);
            group.members.extend(ids(end));
            group.sources.extend(ids(&flow.record.source));
            group.destinations.extend(ids(&flow.record.destination));
        }
    }
    groups
}

/// One row for each pair of names and service.
pub(super) fn pairs(flows: &[&KnownFlow], now_s: u64) -> Vec<Row> {
    let services: HashMap<(u8, u16), String> = flows.iter().map(|flow| named_service(&flow.record)).collect();
    let groups = grouped(flows, now_s, |flow| [(PairId::of(&flow.record), true)]);
    let row = |(id, group): (PairId, Group)| {
        let service = services.get(&(id.protocol, id.port)).cloned().unwrap_or_default();
        let cells = vec![
            Cell::Text(pair_label(&id.source, &group.sources)),
            Cell::Text(pair_label(&id.destination, &group.destinations)),
            Cell::Text(service),
            Cell::Count(group.sums.flows),
            Cell::Count(group.sums.failed),
            Cell::Count(group.sums.packets),
            Cell::Bytes(group.sums.bytes()),
            Cell::Rate(group.sums.rate),
        ];
        group.sums.mark(Row::new(RowId::Pair(id), cells))
    };
    groups.into_iter().map(row).collect()
}

fn named_service(r: &FlowRecord) -> ((u8, u16), String) {
    ((r.flow.protocol, r.flow.destination_port), service(r))
}

/// `name(pid)`, `name ×3` for several processes, or the address.
fn pair_label(end: &PairEnd, processes: &HashSet<ProcessKey>) -> String {
    match (end, processes.len()) {
        (PairEnd::Address(address), _) => address.to_string(),
        (PairEnd::Process(name), 1) => {
            let pid = processes.iter().next().map_or(0, |id| id.pid);
            format!("{name}({pid})")
        }
        (PairEnd::Process(name), n) => format!("{name} ×{n}"),
    }
}

/// One row for each address.
pub(super) fn hosts(flows: &[&KnownFlow], now_s: u64) -> Vec<Row> {
    let groups = grouped(flows, now_s, |flow| {
        let f = &flow.record.flow;
        [(f.source, true), (f.destination, false)]
    });
    let row = |(address, group): (IpAddr, Group)| {
        let processes = group.sources.union(&group.destinations).count() as u64;
        let named = group.name.as_ref().map_or(Cell::Unknown, |name| Cell::Text(name.clone()));
        let cells = vec![Cell::Text(address.to_string()), named, Cell::Count(processes), Cell::Count(group.sums.flows)];
        let cells = [cells, ends_of(&group.sums)].concat();
        group.sums.mark(Row::new(RowId::Host(address), cells))
    };
    groups.into_iter().map(row).collect()
}

/// Failures, bytes of both directions, and rate.
fn ends_of(sums: &Sums) -> Vec<Cell> {
    vec![Cell::Count(sums.failed), Cell::Bytes(sums.sent), Cell::Bytes(sums.received), Cell::Rate(sums.rate)]
}

/// One row for each user with a process at an end.
pub(super) fn users(flows: &[&KnownFlow], now_s: u64) -> Vec<Row> {
    let groups = grouped(flows, now_s, |flow| {
        flow.processes().map(|(is_source, _, process)| (Arc::clone(&process.user), is_source))
    });
    let row = |(user, group): (Arc<str>, Group)| {
        let cells =
            vec![Cell::Text(user.to_string()), Cell::Count(group.members.len() as u64), Cell::Count(group.sums.flows)];
        let cells = [cells, ends_of(&group.sums)].concat();
        group.sums.mark(Row::new(RowId::User(user), cells))
    };
    groups.into_iter().map(row).collect()
}
