//! Differences between two sides of a balance that should be equal.

use serde::{Deserialize, Serialize};

use super::Amount;

/// One of the ledger's four balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Packets that the kernel counted on an interface reached the capture.
    Kernel,
    /// Captured packets are in flows, discarded or waiting.
    Capture,
    /// Packets in flows are in records, in the table or waiting.
    Flows,
    /// Packets in records are attributed at each end, or not attributed for a reason.
    Ends,
}

impl Check {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Kernel, Self::Capture, Self::Flows, Self::Ends];

    /// The name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Capture => "capture",
            Self::Flows => "flows",
            Self::Ends => "ends",
        }
    }
}

/// A balance that is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// Which balance.
    pub(crate) check: Check,
    /// The interface or end; empty: all together.
    pub(crate) of: String,
    /// The difference of its two sides; bytes are 0 where they are unknown.
    pub(crate) amount: Amount,
}

impl Gap {
    /// None if both sides are equal.
    pub(super) fn between(check: Check, of: &str, sides: [Amount; 2]) -> Option<Self> {
        let [one, other] = sides;
        (one != other).then(|| Self { check, of: of.to_owned(), amount: one.apart(other) })
    }
}
