//! Where an end of a flow is, and in which direction traffic goes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where an address is, according to databases that the operator supplies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Country (ISO 3166-1 alpha-2); empty: unknown.
    pub country: Arc<str>,
    /// City, in English; empty: unknown.
    pub city: Arc<str>,
    /// Number of the autonomous system; 0: unknown.
    pub system: u32,
    /// Organisation of the autonomous system; empty: unknown.
    pub organisation: Arc<str>,
}

impl Place {
    /// All its texts.
    #[must_use]
    pub const fn texts(&self) -> [&Arc<str>; 3] {
        let Self { country, city, system: _, organisation } = self;
        [country, city, organisation]
    }

    /// Whether anything is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.system != 0 || self.texts().iter().any(|text| !text.is_empty())
    }
}

/// In which direction a flow crosses the border of the local networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TrafficDirection {
    /// From another address to a local one.
    In,
    /// From a local address to another one.
    Out,
    /// Between local addresses.
    Internal,
    /// Between other addresses.
    Forwarded,
}

impl TrafficDirection {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::Out, Self::Internal, Self::Forwarded];

    /// The direction of a flow by whether its ends are local.
    #[must_use]
    pub const fn of(source_is_local: bool, destination_is_local: bool) -> Self {
        match (source_is_local, destination_is_local) {
            (false, true) => Self::In,
            (true, false) => Self::Out,
            (true, true) => Self::Internal,
            (false, false) => Self::Forwarded,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
            Self::Forwarded => "forwarded",
        }
    }

    /// The same with source and destination swapped.
    #[must_use]
    pub const fn turned_round(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
            Self::Internal | Self::Forwarded => self,
        }
    }
}
