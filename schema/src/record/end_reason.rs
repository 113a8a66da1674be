//! Why a record was made: as in IPFIX, and in more detail.

use serde::{Deserialize, Serialize};

/// IANA flowEndReason (136), RFC 5102 section 5.11.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndReason {
    /// There was no packet for the idle timeout.
    IdleTimeout = 1,
    /// The flow lasted longer than the active timeout; more records of it may follow.
    ActiveTimeout = 2,
    /// The flow ended: FIN or RST, or the socket was closed.
    EndOfFlow = 3,
    /// The agent was stopped, or the capture file ended.
    ForcedEnd = 4,
    /// The flow was evicted because the table was full.
    LackOfResources = 5,
}

impl FlowEndReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::IdleTimeout, Self::ActiveTimeout, Self::EndOfFlow, Self::ForcedEnd, Self::LackOfResources];

    /// The reason with that number in RFC 5102; none: there is none.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// More precise than [`FlowEndReason`]: what ended the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum FlowEndDetail {
    /// No further detail.
    #[default]
    None = 0,
    /// Both ends sent FIN.
    Fin = 1,
    /// An end sent RST.
    Rst = 2,
    /// A SYN with another sequence number began a new connection with the same ports.
    NewConnection = 3,
    /// Another socket has taken the local port.
    SocketChanged = 4,
    /// The connect failed, and none of its packets were seen.
    ConnectFailed = 5,
    /// The capture file ended.
    EndOfCapture = 6,
    /// The agent was stopped.
    Shutdown = 7,
    /// The clock was set back, or a packet has a wrong timestamp; the flow continues in another record.
    ClockStep = 8,
    /// The packets of the same ends are translated to other addresses or ports from now on.
    TranslationChanged = 9,
    /// Another share of the packets is counted from now on; the flow continues in another record.
    SamplingChanged = 10,
}

impl FlowEndDetail {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Fin,
        Self::Rst,
        Self::NewConnection,
        Self::SocketChanged,
        Self::ConnectFailed,
        Self::EndOfCapture,
        Self::Shutdown,
        Self::ClockStep,
        Self::TranslationChanged,
        Self::SamplingChanged,
    ];

    /// The exported name; empty: nothing to add.
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
            Self::TranslationChanged => "translation-changed",
            Self::SamplingChanged => "sampling-changed",
        }
    }
}
