//! Why a request was not taken.

use crate::delivery::Failure;

/// What a receiver's answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    /// Who asks, or what is asked for: no other records would have been taken either.
    Denied,
    /// There is too much in the request.
    TooLarge,
    /// Anything else.
    Other,
}

/// A request that was not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) why: RefusalReason,
    /// What it means when nothing is done about it.
    pub(crate) failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { why: RefusalReason::Other, failure }
    }
}
