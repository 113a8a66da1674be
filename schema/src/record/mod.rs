//! The flow record: the flow, and the process at each end.

mod application;
mod attribution;
mod certificate;
mod classification;
mod collected;
mod container;
mod end;
mod end_reason;
mod flow;
mod flow_key;
mod glued;
mod handshake;
mod initiator;
mod kept;
mod packet_figures;
mod place;
mod placement;
mod pod;
mod process;
mod tcp_health;
mod translation;
mod tunnel;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use application::{Application, ApplicationProtocol, Dns, DnsResponse, Http, Tls};
pub use attribution::Attribution;
pub use certificate::Certificate;
pub use classification::{Classification, Confidence};
pub use collected::{Collected, Routing};
pub use container::Container;
pub use end::{Candidate, Endpoint, ProcessEnd};
pub use end_reason::{FlowEndDetail, FlowEndReason};
pub use flow::{Counters, Flow, Protocol, UnknownCounters};
pub use flow_key::{FlowKey, FlowKeyBasis, InitialSequences};
pub use glued::{EndObserver, Glued, Lost};
pub use handshake::Handshake;
pub use initiator::InitiatorBasis;
pub use kept::kept_bytes;
pub use packet_figures::{PacketDirection, PacketFigures, PacketGaps, SIZE_CLASSES, SIZE_LIMITS};
pub use place::{Place, TrafficDirection};
pub use placement::{Login, Placement};
pub use pod::{Node, Owner, OwnerBasis, Pod, PodDetails, Service};
pub use process::{Process, ProcessUsage};
pub use tcp_health::{ApplicationLatency, TcpDirection, TcpEnd, TcpHealth, TcpState};
pub use translation::Translation;
pub use tunnel::{Tunnel, TunnelKind};

/// The host's load during one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostUsage {
    /// Share of the time of all processors in which they were busy, percent × 100.
    pub cpu_load: u32,
    /// Share of the time of all processors in which they were idle while block I/O was in progress, percent × 100.
    pub iowait: u32,
}

/// The exported record: the flow, and the process at both ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Name of the host on which the flow was observed; empty: the record is from a capture file.
    pub host: Arc<str>,
    /// Id of the agent that observed the flow, the same in all its records; empty: the record is from a capture file.
    pub observer: Arc<str>,
    /// The load of that host during the flow; none: unknown.
    pub host_usage: Option<HostUsage>,
    /// The flow as built from packets.
    pub flow: Flow,
    /// The source (client) end.
    pub source: ProcessEnd,
    /// The destination (server) end.
    pub destination: ProcessEnd,
    /// The error of a failed connect as errno (`ECONNREFUSED` 111, `ETIMEDOUT` 110, …); none: no failure seen.
    pub connect_error: Option<u16>,
    /// One of the ends is the observing agent itself.
    pub is_own: bool,
    /// Where a collected record came from; none: this agent observed the flow itself.
    pub collected: Option<Box<Collected>>,
    /// How the flow crosses the border of the local networks; none: these are not known.
    pub direction: Option<TrafficDirection>,
    /// How it was put together from the records of several agents; none: it is the record of one.
    pub glued: Option<Box<Glued>>,
}

impl FlowRecord {
    /// A record of a flow whose ends are not known.
    #[must_use]
    pub fn without_processes(flow: Flow, why: Attribution) -> Self {
        let (source, destination) = (ProcessEnd::unknown(why), ProcessEnd::unknown(why));
        Self {
            host: Arc::default(),
            observer: Arc::default(),
            host_usage: None,
            flow,
            source,
            destination,
            connect_error: None,
            is_own: false,
            collected: None,
            direction: None,
            glued: None,
        }
    }

    /// Swaps the ends: the destination becomes the source.
    pub fn turn_round(&mut self) {
        self.flow.turn_round();
        std::mem::swap(&mut self.source, &mut self.destination);
        self.direction = self.direction.map(TrafficDirection::turned_round);
        if let Some(glued) = &mut self.glued {
            glued.turn_round();
        }
    }
}
