//! How the client end of a flow was determined.

use serde::{Deserialize, Serialize};

/// How it was determined which end is the source (the client).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum InitiatorBasis {
    /// It sent the first packet seen.
    FirstPacket = 1,
    /// It sent a SYN without ACK (or received a SYN with ACK).
    Syn = 2,
    /// The kernel said which side connected, accepted, listens, or sent before the first packet that was seen.
    Socket = 3,
}

impl InitiatorBasis {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::FirstPacket, Self::Syn, Self::Socket];

    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstPacket => "first-packet",
            Self::Syn => "syn",
            Self::Socket => "socket",
        }
    }
}
