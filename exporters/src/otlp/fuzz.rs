//! Entry point of the fuzz target `otlp_answer`.

use super::answer::{Taken, asked_for, reason};

/// Parses any bytes as the answer of an OTLP receiver.
///
/// # Panics
/// The parser returns more than the bytes contain.
pub fn otlp_answer_of_any_octets(octets: &[u8]) {
    let taken = Taken::decode(octets);
    assert!(taken.message.len() <= octets.len());
    assert!(reason(octets).is_none_or(|r| !r.is_empty() && r.len() <= octets.len()));
    let _ = asked_for(octets);
}
