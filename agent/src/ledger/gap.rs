//! What does not balance.

use serde::{Deserialize, Serialize};

use super::Amount;

/// Which of the ledger's balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// What the kernel counted on an interface has come to the capture.
    Kernel,
    /// What was captured is in flows, discarded or waits.
    Capture,
    /// What is in flows is in records, in the table or waits.
    Flows,
    /// What is in records is attributed at each end or not.
    Ends,
}

impl Check {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Kernel, Self::Capture, Self::Flows, Self::Ends];

    /// As in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Capture => "capture",
            Self::Flows => "flows",
            Self::Ends => "ends",
        }
    }
}

/// A balance that does not come out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// Which one.
    pub(crate) check: Check,
    /// Of which interface or end; empty: of all together.
    pub(crate) of: String,
    /// By how much its two sides differ; bytes are 0 where they are not known.
    pub(crate) amount: Amount,
}

impl Gap {
    /// None where both sides are the same.
    pub(super) fn between(check: Check, of: &str, sides: [Amount; 2]) -> Option<Self> {
        let [one, other] = sides;
        (one != other).then(|| Self { check, of: of.to_owned(), amount: one.apart(other) })
    }
}
