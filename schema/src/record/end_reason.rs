//! Why a record was made, roughly as IPFIX has it and precisely.

use serde::{Deserialize, Serialize};

/// IANA flowEndReason (136), RFC 5102 section 5.11.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndReason {
    /// No packet for the idle timeout.
    IdleTimeout = 1,
    /// Went on longer than the active timeout; more records of it may follow.
    ActiveTimeout = 2,
    /// The end was seen: FIN or RST, or the socket was closed.
    EndOfFlow = 3,
    /// The exporter was told to stop, or the capture file ended.
    ForcedEnd = 4,
    /// Evicted because the table was full.
    LackOfResources = 5,
}

impl FlowEndReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::IdleTimeout, Self::ActiveTimeout, Self::EndOfFlow, Self::ForcedEnd, Self::LackOfResources];

    /// By its number in RFC 5102; none: there is no such reason.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// More precise than [`FlowEndReason`]: what ended the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndDetail {
    /// Nothing to add to the reason.
    #[default]
    None = 0,
    /// Both ends sent FIN.
    Fin = 1,
    /// An end sent RST.
    Rst = 2,
    /// A SYN with another sequence number began a new connection with the same ports.
    NewConnection = 3,
    /// Another socket has the local port since.
    SocketChanged = 4,
    /// The connect failed, and none of its packets was seen.
    ConnectFailed = 5,
    /// The capture file ended.
    EndOfCapture = 6,
    /// The agent was told to stop.
    Shutdown = 7,
    /// The clock was set back, or a packet was stamped with a wrong time; another record of the flow goes on.
    ClockStep = 8,
}

impl FlowEndDetail {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Fin,
        Self::Rst,
        Self::NewConnection,
        Self::SocketChanged,
        Self::ConnectFailed,
        Self::EndOfCapture,
        Self::Shutdown,
        Self::ClockStep,
    ];

    /// As exported; empty: nothing to add.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::NewConnection => "new-connection",
            Self::SocketChanged => "socket-changed",
            Self::ConnectFailed => "connect-failed",
            Self::EndOfCapture => "end-of-capture",
            Self::Shutdown => "shutdown",
            Self::ClockStep => "clock-step",
        }
    }
}
