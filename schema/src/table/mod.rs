//! The one table of elements, in the order in which the default template sends them.
//!
//! Sources of the ids: IANA "IP Flow Information Export (IPFIX) Entities"; ntop's elements from
//! the nProbe documentation and Wireshark's `packet-netflow.c` (NetFlow v9 type = 57472 + id);
//! RFC 5103 for the reverse direction.

mod application;
mod build;
mod collected;
mod flow;
mod glued;
mod identity;
mod key;
mod kubernetes;
mod own;
mod packets;
mod places;
mod process;
mod tcp;
mod translation;
mod tunnel;
mod workload;
mod write;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::element::Element;

/// ntop's base in NetFlow v9: type = base + id (`NTOP_BASE_ID`, ntopng `include/ntop_flow.h`).
pub const NTOP_V9_BASE: u16 = 57472;
/// pidflow's base in NetFlow v9, above all of ntop's types.
pub const OWN_V9_BASE: u16 = 61000;

/// What `@FLOW@` stands for.
const FLOW: [&[Element]; 1] = [flow::FLOW];
/// What `@PROCESS@` stands for.
const PROCESS: [&[Element]; 2] = [process::SOURCE, process::DESTINATION];
/// What `@PIDFLOW@` stands for.
const PIDFLOW: [&[Element]; 10] = [
    flow::MORE,
    process::SOURCE_MORE,
    process::DESTINATION_MORE,
    own::FLOW,
    own::SOURCE,
    own::DESTINATION,
    identity::SOURCE,
    identity::DESTINATION,
    workload::SOURCE,
    workload::DESTINATION,
];
/// What `@TUNNEL@` stands for.
const TUNNEL: [&[Element]; 1] = [tunnel::TUNNEL];
/// What `@NAT@` stands for.
const NAT: [&[Element]; 1] = [translation::TRANSLATION];

/// What `@KEY@` stands for.
const KEY: [&[Element]; 1] = [key::KEY];

/// What `@APPLICATION@` stands for.
const APPLICATION: [&[Element]; 1] = [application::APPLICATION];

/// What `@TCP@` stands for.
const TCP: [&[Element]; 3] = [tcp::FORWARD, tcp::REVERSE, tcp::CONNECTION];

/// What `@PACKETS@` stands for.
const PACKETS: [&[Element]; 11] = [
    packets::UP_TO_128,
    packets::UP_TO_256,
    packets::UP_TO_512,
    packets::UP_TO_1024,
    packets::UP_TO_1514,
    packets::OVER_1514,
    packets::FORWARD,
    packets::REVERSE,
    packets::CLASS,
    packets::FORWARD_GAPS,
    packets::REVERSE_GAPS,
];

/// What `@COLLECTED@` stands for.
const COLLECTED: [&[Element]; 1] = [collected::COLLECTED];

/// What `@PLACES@` stands for.
const PLACES: [&[Element]; 2] = [places::SYSTEMS, places::PLACES];

/// What `@GLUED@` stands for.
const GLUED: [&[Element]; 1] = [glued::GLUED];

/// What `@K8S@` stands for.
const K8S: [&[Element]; 2] = [kubernetes::SOURCE, kubernetes::DESTINATION];

/// Every element that pidflow knows.
pub static ELEMENTS: LazyLock<Vec<Element>> = LazyLock::new(|| {
    [
        FLOW.as_slice(),
        &PROCESS,
        &PIDFLOW,
        &TUNNEL,
        &NAT,
        &KEY,
        &APPLICATION,
        &TCP,
        &PACKETS,
        &K8S,
        &COLLECTED,
        &PLACES,
        &GLUED,
    ]
    .concat()
    .concat()
});

static BY_NAME: LazyLock<HashMap<String, &'static Element>> = LazyLock::new(|| {
    let all = ELEMENTS.iter();
    all.flat_map(|e| names(e).map(move |n| (n.to_ascii_lowercase(), e))).collect()
});

fn names(e: &'static Element) -> impl Iterator<Item = &'static str> {
    [e.name, e.ipfix_name].into_iter().chain(e.aliases.iter().copied())
}

/// Finds an element by its nProbe name, its IPFIX name or an alias, in any case.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Element> {
    BY_NAME.get(&name.to_ascii_lowercase()).copied()
}

fn macro_names(rows: &[&'static [Element]]) -> Vec<&'static str> {
    rows.iter().flat_map(|part| part.iter()).map(|e| e.name).collect()
}

/// The names that `@PROCESS@` stands for: the 20 of ntop's talks, in their order.
pub static PROCESS_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&PROCESS));

/// The names that `@FLOW@` stands for.
pub static FLOW_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&FLOW));

/// The names that `@PIDFLOW@` stands for: ntop's latencies and later process elements, and pidflow's own.
pub static PIDFLOW_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&PIDFLOW));

/// The names that `@TUNNEL@` stands for: those of the tunnel around a flow. Not among the others, with which they would not fit
/// into a NetFlow v9 message of the usual size.
pub static TUNNEL_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&TUNNEL));

/// The names that `@NAT@` stands for: addresses and ports after translation. Not among the others, for the same reason.
pub static NAT_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&NAT));

/// The names that `@KEY@` stands for: the key that all hosts share, what it is made from, and who observed the flow. Not among the others, for the same
/// reason.
pub static KEY_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&KEY));

/// The names that `@APPLICATION@` stands for: the application protocol, and the names in it. Not among the others, for the same
/// reason.
pub static APPLICATION_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&APPLICATION));
/// The names that `@TCP@` stands for: how well the packets of TCP connections got through. Not among the others, for the same
/// reason.
pub static TCP_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&TCP));
/// The names that `@PACKETS@` stands for: sizes, times, marks and hop limits of packets. Not among the others, for the same reason.
pub static PACKETS_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&PACKETS));
/// The names that `@K8S@` stands for: owner, node and labels of pods, and services. Not among the others, because they mean
/// nothing on hosts without Kubernetes.
pub static K8S_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&K8S));
/// The names that `@COLLECTED@` stands for: the exporter of a collected record, and what it knows as a router. Not among the
/// others, because records of this host do not have them.
pub static COLLECTED_MACRO: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| macro_names(&[collected::COLLECTED, places::SYSTEMS]));
/// The names that `@PLACES@` stands for: countries, cities, autonomous systems, and the border of the local networks. Not among the
/// others, because they are known only with databases.
pub static PLACES_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&PLACES));
/// The names that `@GLUED@` stands for: how a record was put together from those of several agents. Not among the others, because
/// records of one agent do not have them.
pub static GLUED_MACRO: LazyLock<Vec<&'static str>> = LazyLock::new(|| macro_names(&GLUED));

#[cfg(test)]
mod tests;
