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
        .map(|n| (distance(&wanted, &n.to_ascii_lowercase()), n))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, n)| n)
}

/// Levenshtein's edit distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let first: Vec<usize> = (0..=b.len()).collect();
    let last = a.chars().fold(first, |above, c| next_row(&above, c, &b));
    last.last().copied().unwrap_or(0)
}

/// One row of the table of distances from the one above it.
fn next_row(above: &[usize], c: char, b: &[char]) -> Vec<usize> {
    let start = above.first().copied().unwrap_or(0) + 1;
    let mut row = vec![start];
    let mut left = start;
    for (pair, other) in above.windows(2).zip(b) {
        let (diagonal, up) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
        left = (diagonal + usize::from(c != *other)).min(up + 1).min(left + 1);
        row.push(left);
    }
    row
}
