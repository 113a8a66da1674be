//! Finds the element that is closest to a misspelt name.

use pidflow_schema::ELEMENTS;

/// The closest name that a template may use, in the spelling of the table; none: no name is similar.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = ELEMENTS.iter().flat_map(|e| [e.name, e.ipfix_name].into_iter().chain(e.aliases.iter().copied()));
    pidflow_expression::nearest(name, names)
}
