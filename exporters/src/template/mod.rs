//! The elements with which a record is exported, in the syntax of nProbe's `-T`.

mod error;
mod nearest;
mod parse;

pub use error::TemplateError;

use pidflow_schema::table::{FLOW_MACRO, PROCESS_MACRO, by_name};
use pidflow_schema::{ELEMENTS, Element, Group, GroupSet};

/// An ordered selection of elements, each at most once.
#[derive(Debug, Clone)]
pub struct Template {
    elements: Vec<&'static Element>,
}

/// Wireshark's default maximum number of fields in a template (`packet-netflow.c`, preference
/// `cflow.max_template_fields`). It does not decode the records of larger templates.
pub const WIRESHARK_FIELDS: usize = 60;

/// The elements that IPFIX and NetFlow v9 send by default in addition to `@FLOW@ @PROCESS@`, as many as
/// [`WIRESHARK_FIELDS`] allows. Command lines are not included, because they may contain secrets and are sent
/// unencrypted.
const COLLECTOR_EXTRA: [&str; 12] = [
    "SRC_PROC_ATTRIBUTION",
    "DST_PROC_ATTRIBUTION",
    "SRC_PROC_START_TIME",
    "DST_PROC_START_TIME",
    "SRC_PROC_UID",
    "DST_PROC_UID",
    "SRC_PROC_CONTAINER_ID",
    "DST_PROC_CONTAINER_ID",
    "SRC_PROC_ANCESTORS",
    "DST_PROC_ANCESTORS",
    "INITIATOR_BASIS",
    "CONNECT_ERROR",
];

impl Template {
    /// The default template for IPFIX and NetFlow v9 collectors: `@FLOW@ @PROCESS@` and the most useful of pidflow's
    /// own elements.
    #[must_use]
    pub fn for_collectors() -> Self {
        let names = FLOW_MACRO.iter().chain(PROCESS_MACRO.iter()).chain(&COLLECTOR_EXTRA);
        Self { elements: names.filter_map(|n| by_name(n)).collect() }
    }

    /// The maximum number of fields in one record's template: no record is both IPv4 and IPv6.
    #[must_use]
    pub fn most_fields(&self) -> usize {
        let without = |family: [Group; 3]| self.elements.iter().filter(|e| !family.contains(&e.group)).count();
        let v6 = without([Group::Ipv4, Group::Icmp, Group::TranslationIpv4]);
        v6.max(without([Group::Ipv6, Group::Icmpv6, Group::TranslationIpv6]))
    }

    /// Parses `%NAME …` and `@MACRO@` tokens. An element named twice keeps its first position.
    ///
    /// # Errors
    /// A name or macro is unknown, or no element is named.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// The elements in the order in which they are sent.
    #[must_use]
    pub fn elements(&self) -> &[&'static Element] {
        &self.elements
    }

    /// The groups of the elements. Other groups do not affect the wire format.
    #[must_use]
    pub fn groups(&self) -> GroupSet {
        self.elements.iter().fold(GroupSet::EMPTY, |set, e| set.with(e.group, true))
    }

    fn push(&mut self, element: &'static Element) {
        if !self.elements.iter().any(|e| std::ptr::eq(*e, element)) {
            self.elements.push(element);
        }
    }
}

impl PartialEq for Template {
    /// The same elements in the same order.
    fn eq(&self, other: &Self) -> bool {
        let name = |e: &&Element| e.name;
        self.elements.iter().map(name).eq(other.elements.iter().map(name))
    }
}

impl Default for Template {
    /// `@FLOW@ @PROCESS@ @PIDFLOW@ @TUNNEL@ @NAT@ @KEY@ @APPLICATION@ @TCP@ @PACKETS@ @K8S@ @COLLECTED@ @PLACES@ @GLUED@`: every element that pidflow knows, the default of JSON and OTLP.
    fn default() -> Self {
        Self { elements: ELEMENTS.iter().collect() }
    }
}

#[cfg(test)]
mod tests;
