//! The input and the result of a lookup in the socket index.

use std::net::IpAddr;

use pidflow_schema::{Attribution, Flow, InitiatorBasis, Protocol, Translation};

use super::kernel::is_icmp;
use super::{Role, Tuple};
use crate::fact::ProcessId;
use crate::packet::TcpFlags;

/// One end of a flow, and its time.
#[derive(Debug, Clone, Copy)]
pub struct FlowEnd {
    /// IP protocol number.
    pub protocol: u8,
    /// This end.
    pub local: IpAddr,
    /// This end's port.
    pub local_port: u16,
    /// The other end.
    pub remote: IpAddr,
    /// The other end's port; 0 for ICMP.
    pub remote_port: u16,
    /// ICMP type of the first packet that this end sent; none: unknown, or another protocol.
    pub icmp_type: Option<u8>,
    /// Time of the first packet, nanoseconds.
    pub first_ns: u64,
    /// Time of the last packet, nanoseconds.
    pub last_ns: u64,
    /// Whether the packets include a SYN, so that the connection began with this flow.
    pub began_with_syn: bool,
    /// Whether the flow may contain packets of several connections with the same ends: packets were lost, or its end was
    /// not seen. Only TCP.
    pub may_be_several: bool,
    /// Whether this end sent the SYN that began it.
    pub opened: bool,
    /// Whether this end sent packets.
    pub sent: bool,
    /// Whether this end received packets.
    pub received: bool,
    /// Inode number of the network namespace of the interfaces that saw the flow; none: unknown.
    pub netns: Option<u32>,
}

impl FlowEnd {
    /// The source's end of a flow.
    #[must_use]
    pub fn source(flow: &Flow) -> Self {
        let ends = if is_after(flow, true) { after(flow) } else { before(flow) };
        let opened = flow.protocol == Protocol::TCP && flow.initiator == InitiatorBasis::Syn;
        Self { opened, ..Self::new(flow, ends, [flow.forward.packets, flow.reverse.packets]) }
    }

    /// The destination's end of a flow.
    #[must_use]
    pub fn destination(flow: &Flow) -> Self {
        let [source, destination] = if is_after(flow, false) { after(flow) } else { before(flow) };
        let end = Self::new(flow, [destination, source], [flow.reverse.packets, flow.forward.packets]);
        Self { icmp_type: None, ..end }
    }

    fn new(flow: &Flow, [local, remote]: [(IpAddr, u16); 2], [sent, received]: [u64; 2]) -> Self {
        let flags = flow.forward.tcp_flags | flow.reverse.tcp_flags;
        Self {
            protocol: flow.protocol,
            local: local.0,
            local_port: local.1,
            remote: remote.0,
            remote_port: if is_icmp(flow.protocol) { 0 } else { remote.1 },
            icmp_type: flow.icmp_type_code.map(|t| t.to_be_bytes()[0]),
            first_ns: flow.first_ns,
            last_ns: flow.last_ns,
            began_with_syn: flow.protocol == Protocol::TCP && flags & TcpFlags::SYN != 0,
            may_be_several: flow.protocol == Protocol::TCP && !flow.is_gapless,
            opened: false,
            sent: sent > 0,
            received: received > 0,
            netns: flow.network_namespace,
        }
    }

    pub(crate) const fn tuple(&self) -> Tuple {
        Tuple {
            protocol: self.protocol,
            local: self.local,
            local_port: self.local_port,
            remote: self.remote,
            remote_port: self.remote_port,
        }
    }
}

/// Whether the socket of this end has the ends after address translation: the one that did not begin it.
fn is_after(flow: &Flow, is_source: bool) -> bool {
    flow.translation.as_ref().is_some_and(|translation| translation.begun_by_source != is_source)
}

const fn before(flow: &Flow) -> [(IpAddr, u16); 2] {
    [(flow.source, flow.source_port), (flow.destination, flow.destination_port)]
}

fn after(flow: &Flow) -> [(IpAddr, u16); 2] {
    let after = |t: &Translation| [(t.source, t.source_port), (t.destination, t.destination_port)];
    flow.translation.as_deref().map_or(before(flow), after)
}

/// The process found for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The process.
    pub process: ProcessId,
    /// How it was found.
    pub attribution: Attribution,
    /// Side of the connection, as the kernel reported it.
    pub role: Role,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Another process with a claim, such as the one that accepted, or the listener's owner.
    pub other: Option<ProcessId>,
    /// The address and port to which the process connected, if the packets' destination was translated.
    pub translated_from: Option<(IpAddr, u16)>,
}

/// Why no process was found for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFound {
    /// [`Attribution::NoSocket`], [`Attribution::Ambiguous`], or [`Attribution::NoProcess`]: events were lost.
    pub why: Attribution,
    /// A process that it may have been: one of those that fit best.
    pub candidate: Option<ProcessId>,
}

impl NotFound {
    pub(super) const NO_SOCKET: Self = Self { why: Attribution::NoSocket, candidate: None };

    pub(super) const fn ambiguous(candidate: Option<ProcessId>) -> Self {
        Self { why: Attribution::Ambiguous, candidate }
    }

    /// Events were lost that would show whether it was this process.
    pub(super) const fn lost(candidate: ProcessId) -> Self {
        Self { why: Attribution::NoProcess, candidate: Some(candidate) }
    }
}
