//! What nDPI says of a flow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The application of a flow according to nDPI, in the agent or in the exporter that sent the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Classification {
    /// Number of the protocol that carries the application, as 91 for TLS; 0: none, or not known.
    pub master: u16,
    /// Number of the application, or of the protocol if it carries none that is known, as 126 for Google.
    pub application: u16,
    /// Both names, as `TLS.Google`; empty: not known.
    pub name: Arc<str>,
    /// Category, as `Web`; empty: not known.
    pub category: Arc<str>,
    /// Breed: how harmful it is, as `Acceptable` or `Dangerous`; empty: not known.
    pub breed: Arc<str>,
    /// How it was found, see [`Confidence`]; none: not known.
    pub confidence: Option<u8>,
    /// The risks that were found: bit n is risk n (`ndpi_risk_enum`).
    pub risks: u64,
    /// Their names joined by commas; empty: none.
    pub risk_names: Arc<str>,
    /// The sum of their scores; 0: none.
    pub risk_score: u16,
}

/// How certain the protocol is. The numbers are those of nDPI 4.2 (`ndpi_confidence_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Confidence {
    /// A guess by the port.
    MatchByPort = 1,
    /// A guess by the address.
    MatchByIp = 2,
    /// By what other flows of the same host showed.
    DpiCache = 3,
    /// By the content of the flow's packets.
    Dpi = 4,
}

impl Confidence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MatchByPort, Self::MatchByIp, Self::DpiCache, Self::Dpi];

    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MatchByPort => "match-by-port",
            Self::MatchByIp => "match-by-ip",
            Self::DpiCache => "dpi-cache",
            Self::Dpi => "dpi",
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|confidence| *confidence as u8 == number)
    }
}

impl Classification {
    /// Whether it is a guess by port or address.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        self.confidence
            .and_then(Confidence::of)
            .is_some_and(|c| matches!(c, Confidence::MatchByPort | Confidence::MatchByIp))
    }

    /// Whether more is known than how it was found.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.name.is_empty() || !self.category.is_empty()
    }

    /// All its texts.
    #[must_use]
    pub const fn texts(&self) -> [&Arc<str>; 4] {
        let Self {
            master: _,
            application: _,
            name,
            category,
            breed,
            confidence: _,
            risks: _,
            risk_names,
            risk_score: _,
        } = self;
        [name, category, breed, risk_names]
    }
}
