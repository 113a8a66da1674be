//! Finds the known name that is closest to a misspelt one.

use pidflow_schema::ELEMENTS;

/// Every name that a template may use, in the spelling of the table.
fn names() -> impl Iterator<Item = &'static str> {
    ELEMENTS.iter().flat_map(|e| [e.name, e.ipfix_name].into_iter().chain(e.aliases.iter().copied()))
}

/// The closest known name, if at most a third of the letters differ.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let limit = wanted.chars().count().div_ceil(3);
    names()
        .map(|n| (strsim::levenshtein(&wanted, &n.to_ascii_lowercase()), n))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, n)| n)
}
