//! Why a request was refused.

use crate::delivery::Failure;

/// The cause of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    /// The sender or the destination: no other records would have been accepted either.
    Denied,
    /// The request is too large.
    TooLarge,
    /// Anything else.
    Other,
}

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) why: RefusalReason,
    /// What the refusal means if nothing is done about it.
    pub(crate) failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { why: RefusalReason::Other, failure }
    }
}
