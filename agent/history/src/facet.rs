//! Where each element of a record is stored.

use std::sync::LazyLock;

use pidflow_expression::End;
use pidflow_schema::{ELEMENTS, Element, Semantics};

/// A number of a row of the table `flows` that is a column of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Column {
    First,
    Last,
    SourcePort,
    DestinationPort,
    Protocol,
    Bytes,
    ReverseBytes,
    Packets,
    ReversePackets,
}

/// Where an element is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Facet {
    /// In the table `processes`.
    Process(End),
    /// In the table `addresses`.
    Address(End),
    /// In a column of the table `flows`.
    Column(Column),
    /// In the column `numbers` of that table.
    Number,
    /// In the table `details`.
    Detail,
    /// In the table of processes if there is a process, otherwise in that of details.
    Pod,
    /// In the table `details`, but a record has it only if other elements have certain values.
    Dependent,
    /// Nowhere: it follows from others, or another element contains more.
    Derived,
}

/// Numbers that differ from flow to flow, although they are not quantities.
const VARYING: [&str; 4] = [
    "TCP_INITIAL_SEQUENCE",
    "REVERSE_TCP_INITIAL_SEQUENCE",
    "POST_NAPT_SRC_TRANSPORT_PORT",
    "POST_NAPT_DST_TRANSPORT_PORT",
];

/// Elements whose value is also in one with more bits, or in the two times of the handshake.
const SHORTER: [&str; 7] = [
    "SRC_PROC_ACTUAL_MEMORY",
    "SRC_PROC_PEAK_MEMORY",
    "DST_PROC_ACTUAL_MEMORY",
    "DST_PROC_PEAK_MEMORY",
    "CLIENT_NW_LATENCY_MS",
    "SERVER_NW_LATENCY_MS",
    "CONNECT_MICROSECONDS",
];

/// ICMP's types, which only flows of ICMP have.
const DEPENDENT: [&str; 2] = ["ICMP_TYPE", "IPV6_ICMP_TYPE"];

/// Elements of an end that change from flow to flow of a process, without the `SRC_` or `DST_` at their beginning.
const OF_THE_FLOW: [&str; 8] = [
    "PROC_ACTUAL_MEMORY",
    "PROC_PEAK_MEMORY",
    "PROC_ACTUAL_MEMORY_64",
    "PROC_PEAK_MEMORY_64",
    "PROC_AVERAGE_CPU_LOAD",
    "PROC_NUM_PAGE_FAULTS",
    "PROC_PCTG_IOWAIT",
    "PROC_ATTRIBUTION",
];

/// Elements of a process without `PROC_` in their names, and without the `SRC_` or `DST_` at their beginning.
const OF_THE_PROCESS: [&str; 5] =
    ["CONTAINER_NAME", "CONTAINER_IMAGE", "COMPOSE_PROJECT", "COMPOSE_SERVICE", "SERVICE_NAME"];

/// The facets of all elements, in the order of the table.
pub(crate) static FACETS: LazyLock<Vec<Facet>> = LazyLock::new(|| ELEMENTS.iter().map(facet).collect());

/// Where the element is stored.
pub(crate) fn facet(element: &Element) -> Facet {
    if let Some(facet) = in_flows(element.name) {
        return facet;
    }
    let (end, property) = match element.name.split_once('_') {
        Some(("SRC", property)) => (Some(End::Source), property),
        Some(("DST", property)) => (Some(End::Destination), property),
        _ => (None, element.name),
    };
    let is_of_process =
        property.starts_with("PROC_") || property.starts_with("FATHER_PROC_") || OF_THE_PROCESS.contains(&property);
    match end {
        Some(end) if is_of_process && !OF_THE_FLOW.contains(&property) => Facet::Process(end),
        Some(_) if property.starts_with("K8S_") => Facet::Pod,
        _ if element.write.is_none() || SHORTER.contains(&element.name) => Facet::Derived,
        _ if DEPENDENT.contains(&element.name) => Facet::Dependent,
        _ if VARYING.contains(&element.name) || is_amount(element) => Facet::Number,
        _ => Facet::Detail,
    }
}

const fn is_amount(element: &Element) -> bool {
    matches!(element.semantics, Semantics::Quantity | Semantics::DeltaCounter | Semantics::TotalCounter)
}

fn in_flows(name: &str) -> Option<Facet> {
    Some(match name {
        "IPV4_SRC_ADDR" | "IPV6_SRC_ADDR" => Facet::Address(End::Source),
        "IPV4_DST_ADDR" | "IPV6_DST_ADDR" => Facet::Address(End::Destination),
        _ => Facet::Column(column(name)?),
    })
}

/// The column of this element.
pub(crate) fn column(name: &str) -> Option<Column> {
    Some(match name {
        "FIRST_SWITCHED" | "FLOW_START_MILLISECONDS" => Column::First,
        "LAST_SWITCHED" | "FLOW_END_MILLISECONDS" => Column::Last,
        "L4_SRC_PORT" => Column::SourcePort,
        "L4_DST_PORT" => Column::DestinationPort,
        "PROTOCOL" => Column::Protocol,
        "IN_BYTES" => Column::Bytes,
        "OUT_BYTES" => Column::ReverseBytes,
        "IN_PKTS" => Column::Packets,
        "OUT_PKTS" => Column::ReversePackets,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use pidflow_exporters::sample;

    use super::*;
    use crate::blank::{BLANK_VALUES, blank};

    /// Otherwise a condition on a process could be evaluated without what it depends on.
    #[test]
    fn elements_of_a_process_depend_on_the_process_alone() {
        for record in sample::records(200) {
            let mut alone = blank();
            alone.source.process.clone_from(&record.source.process);
            alone.destination.process.clone_from(&record.destination.process);
            let facets = ELEMENTS.iter().zip(FACETS.iter());
            for (element, _) in facets.filter(|(_, facet)| matches!(facet, Facet::Process(_))) {
                assert_eq!((element.read)(&record), (element.read)(&alone), "{}", element.name);
            }
        }
    }

    #[test]
    fn columns_are_known_for_every_record() {
        let columns = ELEMENTS.iter().zip(BLANK_VALUES.iter()).filter(|(e, _)| matches!(facet(e), Facet::Column(_)));
        assert_eq!(columns.filter(|(_, value)| value.is_some()).count(), 11);
    }
}
