//! What the fuzz target `otlp_answer` drives.

use super::answer::{Taken, asked_for, reason};

/// Takes any octets for what an OTLP receiver answers.
///
/// # Panics
/// More is read from them than there is.
pub fn otlp_answer_of_any_octets(octets: &[u8]) {
    let taken = Taken::decode(octets);
    assert!(taken.message.len() <= octets.len());
    assert!(reason(octets).is_none_or(|r| !r.is_empty() && r.len() <= octets.len()));
    let _ = asked_for(octets);
}
