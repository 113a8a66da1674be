//! Whether a flow goes on.

use pidflow_schema::record::FlowEndDetail;

/// The state of a flow, or that its slot is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// The slot has no flow.
    Free,
    /// Only one packet or only SYNs were seen, and no answer.
    Unanswered,
    Open,
    /// Both ends sent FIN.
    Finished,
    Reset,
}

impl State {
    /// Whether the flow has not ended.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Unanswered | Self::Open)
    }

    pub(super) const fn detail(self) -> FlowEndDetail {
        match self {
            Self::Free | Self::Unanswered | Self::Open => FlowEndDetail::None,
            Self::Finished => FlowEndDetail::Fin,
            Self::Reset => FlowEndDetail::Rst,
        }
    }
}
