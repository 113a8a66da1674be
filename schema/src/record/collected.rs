//! What a collector knows of a record beyond what an agent knows of its own records.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where a collected record came from, and what routers report beyond traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Address of the exporter that observed the flow.
    pub exporter: IpAddr,
    /// Its observation domain (RFC 7011 section 3.1), source id (NetFlow v9), engine (NetFlow v5) or sub-agent (sFlow).
    pub domain: u32,
    /// The counters were multiplied by this, because only one in so many packets was counted; none: the exporter did
    /// not report whether it samples.
    pub sampling_rate: Option<u32>,
    /// What the exporter knows as a router; none: nothing.
    pub routing: Option<Routing>,
    /// Elements that have no member in a record, as `ID=octets` or `PEN.ID=octets` in hexadecimal digits, separated by
    /// blanks; empty: none.
    pub others: Arc<str>,
    /// Marks of the collectors that passed the record on, the first one first, with commas between them; empty: none.
    pub path: Arc<str>,
}

impl Default for Collected {
    /// Of an exporter whose address is not known.
    fn default() -> Self {
        Self {
            exporter: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            domain: 0,
            sampling_rate: None,
            routing: None,
            others: Arc::default(),
            path: Arc::default(),
        }
    }
}

/// How a router forwarded a flow. 0: unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Routing {
    /// Index of the interface that the packets left by.
    pub egress_interface: u32,
    /// Autonomous system of the source address.
    pub source_as: u32,
    /// Autonomous system of the destination address.
    pub destination_as: u32,
    /// Bits of the prefix with the source address in the routing table.
    pub source_prefix: u8,
    /// Bits of the prefix with the destination address in the routing table.
    pub destination_prefix: u8,
    /// Where the flow was observed: 0 as it came in, 1 as it went out (flowDirection).
    pub direction: u8,
}
