//! Entry point of the fuzz target `store_answer`.

use std::time::SystemTime;

use super::elastic::answer::{self as elastic, DocumentOutcome};
use super::{influx, loki};
use crate::net::retry_after;

/// Parses any bytes as a store's answer for that many documents.
///
/// # Panics
/// The parser accepted an answer that does not cover every document.
pub fn store_answer_of_any_octets(documents: usize, body: &[u8]) {
    if let Ok(verdict) = elastic::read(body, documents) {
        let fates =
            [DocumentOutcome::Taken, DocumentOutcome::Later, DocumentOutcome::Refused].map(|f| verdict.count(f));
        assert_eq!((verdict.fates.len(), fates.iter().sum()), (documents, documents));
        assert_eq!(verdict.reason.is_some(), fates[0] < documents);
    }
    assert_ne!(influx::answer::dropped(body), Some(0));
    let _ = loki::answer::ignored(body);
    if let Ok(header) = std::str::from_utf8(body) {
        let _ = retry_after::wait(header, SystemTime::UNIX_EPOCH);
    }
}
