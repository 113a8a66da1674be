//! Which elements a record is exported with, as nProbe's `-T` says it.

mod error;
mod nearest;
mod parse;

pub use error::TemplateError;

use pidflow_schema::table::{FLOW_MACRO, PROCESS_MACRO, by_name};
use pidflow_schema::{ELEMENTS, Element, Group, GroupSet};

/// An ordered choice of elements, each at most once.
#[derive(Debug, Clone)]
pub struct Template {
    elements: Vec<&'static Element>,
}

/// Wireshark's default for the most fields that a template may have (`packet-netflow.c`, preference
/// `cflow.max_template_fields`); it does not decode the records of larger ones at all.
pub const WIRESHARK_FIELDS: usize = 60;

/// What IPFIX and NetFlow v9 add to `@FLOW@ @PROCESS@` by default: as much as leaves a template with
/// [`WIRESHARK_FIELDS`]. No command lines, which may hold secrets and travel unencrypted.
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
    /// What goes to IPFIX and NetFlow v9 collectors when no template is named: `@FLOW@ @PROCESS@` and the most
    /// telling of pidflow's own.
    #[must_use]
    pub fn for_collectors() -> Self {
        let names = FLOW_MACRO.iter().chain(PROCESS_MACRO.iter()).chain(&COLLECTOR_EXTRA);
        Self { elements: names.filter_map(|n| by_name(n)).collect() }
    }

    /// The most fields that one record's template has: none is IPv4 and IPv6 at once.
    #[must_use]
    pub fn most_fields(&self) -> usize {
        let without = |family: [Group; 2]| self.elements.iter().filter(|e| !family.contains(&e.group)).count();
        without([Group::Ipv4, Group::Icmp]).max(without([Group::Ipv6, Group::Icmpv6]))
    }

    /// Reads `%NAME …` and `@MACRO@` tokens; an element named again keeps its first place.
    ///
    /// # Errors
    /// When a name or macro is not known, or nothing is named at all.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// The elements in the order in which they are sent.
    #[must_use]
    pub fn elements(&self) -> &[&'static Element] {
        &self.elements
    }

    /// The groups that the elements belong to: other groups make no difference to the wire format.
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
    /// `@FLOW@ @PROCESS@ @PIDFLOW@ @TUNNEL@`: every element that pidflow knows, the default of JSON and OTLP.
    fn default() -> Self {
        Self { elements: ELEMENTS.iter().collect() }
    }
}

#[cfg(test)]
mod tests;
