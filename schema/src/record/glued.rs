//! What the records of several agents about one flow are together.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The agent at one end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndObserver {
    /// Its id ([`super::FlowRecord::observer`]); empty: no agent is at this end.
    pub id: Arc<str>,
    /// The name of its host; empty: unknown.
    pub host: Arc<str>,
}

impl EndObserver {
    /// Whether there is one.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.id.is_empty()
    }
}

/// What was sent minus what arrived, by the agents at both ends, over the whole flow. Negative: packets were split on the way, or
/// merged before they were counted (GRO, TSO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lost {
    /// Packets from source to destination.
    pub packets: i64,
    /// Bytes from source to destination, IP header included.
    pub octets: i64,
    /// Packets from destination to source.
    pub reverse_packets: i64,
    /// Bytes from destination to source.
    pub reverse_octets: i64,
}

/// How a record was put together from those of several agents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Glued {
    /// The agent from which the source end is.
    pub source: EndObserver,
    /// The agent from which the destination end is.
    pub destination: EndObserver,
    /// All agents that saw the flow, by id, joined by commas.
    pub observers: Arc<str>,
    /// Number of records that it was made from.
    pub records: u32,
    /// What was lost between the ends; none: the last record of an end has not arrived, or not all of the flow was seen at both.
    pub lost: Option<Lost>,
}

impl Glued {
    /// Whether the ends were reported by different agents.
    #[must_use]
    pub fn is_of_two_ends(&self) -> bool {
        self.source.is_known() && self.destination.is_known() && self.source.id != self.destination.id
    }

    /// Swaps source and destination.
    pub fn turn_round(&mut self) {
        std::mem::swap(&mut self.source, &mut self.destination);
        if let Some(lost) = &mut self.lost {
            std::mem::swap(&mut lost.packets, &mut lost.reverse_packets);
            std::mem::swap(&mut lost.octets, &mut lost.reverse_octets);
        }
    }
}
