//! Finds the known name that is closest to a misspelt one.

/// The closest of the names, in any case, if at most a third of the letters differ; two letters in the wrong order are one
/// difference.
pub fn nearest<N: AsRef<str>>(wanted: &str, names: impl Iterator<Item = N>) -> Option<N> {
    let wanted = wanted.to_ascii_lowercase();
    let limit = wanted.chars().count().div_ceil(3);
    names
        .map(|name| (strsim::osa_distance(&wanted, &name.as_ref().to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
