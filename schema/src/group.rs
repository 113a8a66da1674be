//! Groups of elements that a record has together.

use crate::record::{
    Application, Classification, Collected, Counters, FlowRecord, PacketFigures, Process, ProcessEnd, Protocol,
    TcpHealth, Translation, Tunnel,
};

/// Which records have an element.
///
/// IPFIX and NetFlow v9 cannot mark a value as absent inside a record. So an encoder makes one template for each
/// combination of groups that occurs, and leaves out the elements of missing groups: unknown values are absent, not
/// zero. Within a group that is present, a value may still be unknown for a record (for example the container of a
/// process); it is then sent as 0 or as the empty string, and left out of JSON and OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Every record.
    Always,
    /// IPv4 flows.
    Ipv4,
    /// IPv6 flows.
    Ipv6,
    /// ICMP flows.
    Icmp,
    /// Flows with a VLAN tag.
    Vlan,
    /// The source end's process is known.
    Source,
    /// The destination end's process is known.
    Destination,
    /// The source end's resource usage is known.
    SourceUsage,
    /// The destination end's resource usage is known.
    DestinationUsage,
    /// The source end's I/O wait is known (delay accounting was on when the process started).
    SourceIowait,
    /// The destination end's I/O wait is known.
    DestinationIowait,
    /// A connection attempt failed.
    ConnectError,
    /// Flows with MAC addresses.
    Ethernet,
    /// The source end has a candidate process.
    SourceCandidate,
    /// The destination end has a candidate process.
    DestinationCandidate,
    /// ICMPv6 flows.
    Icmpv6,
    /// The network namespace of the source end's socket is known, even if its process is not.
    SourceNamespace,
    /// The network namespace of the destination end's socket is known.
    DestinationNamespace,
    /// A TCP handshake was seen from its beginning to its end.
    Handshake,
    /// Observed live, so the host's name is known.
    Host,
    /// The host's load during the flow is known.
    HostUsage,
    /// The flow was in a tunnel that was opened.
    Tunnel,
    /// That tunnel's packets are IPv4.
    TunnelIpv4,
    /// That tunnel's packets are IPv6.
    TunnelIpv6,
    /// That tunnel has an id.
    TunnelId,
    /// That tunnel is a layer 2 segment of a kind that IANA has a number for.
    Layer2Segment,
    /// The real user of the source end's process is known.
    SourceRealUser,
    /// The real user of the destination end's process is known.
    DestinationRealUser,
    /// Somebody logged in to start the source end's process.
    SourceLogin,
    /// Somebody logged in to start the destination end's process.
    DestinationLogin,
    /// The effective user of the source end's process is known and may be exported.
    SourceUser,
    /// The effective user of the destination end's process is known and may be exported.
    DestinationUser,
    /// The user of the parent of the source end's process is known and may be exported.
    SourceParentUser,
    /// The user of the parent of the destination end's process is known and may be exported.
    DestinationParentUser,
    /// This host translated the flow's addresses or ports.
    Translation,
    /// They are IPv4.
    TranslationIpv4,
    /// They are IPv6.
    TranslationIpv6,
    /// Whether and how this host translated them is not known.
    TranslationUnknown,
    /// The counters are estimated from a sample of the packets.
    Sampled,
    /// The application protocol is known.
    Application,
    /// By nDPI.
    Classification,
    /// nDPI found risks.
    Risks,
    /// A handshake of TLS was seen.
    Tls,
    /// The server's certificate was seen in clear.
    Certificate,
    /// A request or response of HTTP was seen.
    Http,
    /// The status of an HTTP response is known.
    HttpStatus,
    /// A DNS query is known.
    Dns,
    /// The response to it is known.
    DnsResponse,
    /// The name that the destination's process used for the source is known.
    SourceName,
    /// The name that the source's process used for the destination is known.
    DestinationName,
    /// The Kubernetes pod or service of the source end is known.
    SourcePod,
    /// The Kubernetes pod or service of the destination end is known.
    DestinationPod,
    /// The Kubernetes node of the source end is known, or a service of which it is an endpoint.
    SourceNode,
    /// The Kubernetes node of the destination end is known, or a service of which it is an endpoint.
    DestinationNode,
    /// The initial sequence numbers of a TCP connection are known.
    TcpSequence,
    /// The packets of a TCP connection were measured.
    TcpHealth,
    /// An exchange of a client and a server was seen.
    ApplicationLatency,
    /// Observed live, so it is known which agent observed it.
    Observer,
    /// The flow is the observing agent's own.
    Own,
    /// The packets were measured.
    PacketFigures,
    /// The packets were measured, and the destination sent some.
    ReversePacketFigures,
    /// The times between the source's packets were measured.
    PacketGaps,
    /// The times between the destination's packets were measured.
    ReversePacketGaps,
    /// Received from an exporter on another host.
    Collected,
    /// That exporter's address is IPv4.
    ExporterIpv4,
    /// That exporter's address is IPv6.
    ExporterIpv6,
    /// How that exporter forwarded the flow is known.
    Routing,
    /// The autonomous system of the source is known, or that an exporter does not know it.
    SourceSystem,
    /// The autonomous system of the destination is known, or that an exporter does not know it.
    DestinationSystem,
    /// It is known where the source's address is.
    SourcePlace,
    /// It is known where the destination's address is.
    DestinationPlace,
    /// The local networks are known.
    TrafficDirection,
    /// It sent elements that have no other place in the record.
    OtherElements,
    /// It passed a collector.
    CollectorPath,
    /// IP headers of packets state more bytes than their frames had.
    BeyondFrame,
    /// A request to a database or broker was seen.
    ApplicationRequest,
    /// A request of HTTP/1 was answered.
    HttpLatency,
    /// Put together from the records of several agents.
    Glued,
    /// What was lost between the agents at both ends is known.
    Lost,
    /// The packets from source to destination are known.
    Packets,
    /// The bytes from source to destination are known.
    Octets,
    /// The bytes of whole frames from source to destination are known.
    FrameOctets,
    /// The packets from destination to source are known.
    ReversePackets,
    /// The bytes from destination to source are known.
    ReverseOctets,
    /// The bytes of whole frames from destination to source are known.
    ReverseFrameOctets,
    /// The TCP flags of a direction are known.
    TcpFlags,
    /// The TCP flags of the source are known.
    ForwardTcpFlags,
    /// The TCP flags of the destination are known.
    ReverseTcpFlags,
}

impl Group {
    /// Whether it is that of a counter, of which a zero is a value.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        matches!(
            self,
            Self::Packets
                | Self::Octets
                | Self::FrameOctets
                | Self::ReversePackets
                | Self::ReverseOctets
                | Self::ReverseFrameOctets
                | Self::TcpFlags
                | Self::ForwardTcpFlags
                | Self::ReverseTcpFlags
        )
    }

    /// Its bit in a set, which has 128.
    const fn bit(self) -> u128 {
        1 << self as u32
    }
}

/// The groups of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GroupSet(u128);

impl GroupSet {
    /// No group at all.
    pub const EMPTY: Self = Self(0);

    /// This set, plus `group` if `present`.
    #[must_use]
    pub const fn with(self, group: Group, present: bool) -> Self {
        if present { Self(self.0 | group.bit()) } else { self }
    }

    /// Whether `group` is in the set.
    #[must_use]
    pub const fn contains(self, group: Group) -> bool {
        self.0 & group.bit() != 0
    }

    /// The groups in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intersection of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The groups of one end.
struct EndGroups {
    process: Group,
    user: Group,
    parent_user: Group,
    real_user: Group,
    login: Group,
    usage: Group,
    iowait: Group,
    namespace: Group,
    candidate: Group,
    name: Group,
    pod: Group,
    node: Group,
    place: Group,
    system: Group,
}

const SOURCE: EndGroups = EndGroups {
    process: Group::Source,
    user: Group::SourceUser,
    parent_user: Group::SourceParentUser,
    real_user: Group::SourceRealUser,
    login: Group::SourceLogin,
    usage: Group::SourceUsage,
    iowait: Group::SourceIowait,
    namespace: Group::SourceNamespace,
    candidate: Group::SourceCandidate,
    name: Group::SourceName,
    pod: Group::SourcePod,
    node: Group::SourceNode,
    place: Group::SourcePlace,
    system: Group::SourceSystem,
};

const DESTINATION: EndGroups = EndGroups {
    process: Group::Destination,
    user: Group::DestinationUser,
    parent_user: Group::DestinationParentUser,
    real_user: Group::DestinationRealUser,
    login: Group::DestinationLogin,
    usage: Group::DestinationUsage,
    iowait: Group::DestinationIowait,
    namespace: Group::DestinationNamespace,
    candidate: Group::DestinationCandidate,
    name: Group::DestinationName,
    pod: Group::DestinationPod,
    node: Group::DestinationNode,
    place: Group::DestinationPlace,
    system: Group::DestinationSystem,
};

impl FlowRecord {
    /// By what the counters were multiplied, because one in so many packets was counted: by the exporter from which the record
    /// came, or by this agent; none: all were, or it is not known.
    #[must_use]
    pub fn sampling_rate(&self) -> Option<u32> {
        self.collected.as_deref().and_then(|collected| collected.sampling_rate).or(self.flow.sampling_rate)
    }

    /// The groups of elements that this record has.
    #[must_use]
    pub fn groups(&self) -> GroupSet {
        let icmp = |protocol| self.flow.protocol == protocol && self.flow.icmp_type_code.is_some();
        let set = GroupSet::EMPTY
            .with(Group::Always, true)
            .union(counted(&self.flow.forward, &self.flow.reverse))
            .with(Group::Ipv4, self.flow.source.is_ipv4())
            .with(Group::Ipv6, self.flow.source.is_ipv6())
            .with(Group::Icmp, icmp(Protocol::ICMP))
            .with(Group::Icmpv6, icmp(Protocol::ICMPV6))
            .with(Group::Vlan, self.flow.vlan.is_some())
            .with(Group::Ethernet, self.flow.macs.is_some())
            .with(Group::Handshake, self.flow.handshake.is_some())
            .with(Group::TcpSequence, self.flow.initial_sequences.is_some())
            .with(Group::Host, !self.host.is_empty())
            .with(Group::Observer, !self.observer.is_empty())
            .with(Group::HostUsage, self.host_usage.is_some())
            .with(Group::ConnectError, self.connect_error.is_some())
            .with(Group::Own, self.is_own)
            .with(Group::TranslationUnknown, self.flow.is_translation_unknown)
            .with(Group::Sampled, self.sampling_rate().is_some())
            .with(Group::HttpLatency, self.flow.http_latency.is_some())
            .with(Group::BeyondFrame, self.flow.forward.is_beyond_frame || self.flow.reverse.is_beyond_frame)
            .with(Group::TrafficDirection, self.direction.is_some())
            .with(Group::Glued, self.glued.is_some())
            .with(Group::Lost, self.glued.as_ref().is_some_and(|glued| glued.lost.is_some()));
        let set = self.collected.as_deref().map_or(set, |collected| with_collected(set, collected));
        let set = self.flow.tunnel.as_deref().map_or(set, |tunnel| with_tunnel(set, tunnel));
        let set = self.flow.translation.as_deref().map_or(set, |translation| with_translation(set, translation));
        let set = self.flow.tcp.as_deref().map_or(set, |tcp| with_tcp(set, tcp));
        let set = self.flow.packet_figures.as_deref().map_or(set, |figures| with_packet_figures(set, figures));
        let set = self.flow.application.as_deref().map_or(set, |application| with_application(set, application));
        let set = self.flow.classification.as_deref().map_or(set, |known| with_classification(set, known));
        with_end(with_end(set, &self.source, &SOURCE), &self.destination, &DESTINATION)
    }
}

/// The groups of the counters.
const fn counted(forward: &Counters, reverse: &Counters) -> GroupSet {
    GroupSet::EMPTY
        .with(Group::Packets, forward.known_packets().is_some())
        .with(Group::Octets, forward.known_octets().is_some())
        .with(Group::FrameOctets, forward.known_frame_octets().is_some())
        .with(Group::ReversePackets, reverse.known_packets().is_some())
        .with(Group::ReverseOctets, reverse.known_octets().is_some())
        .with(Group::ReverseFrameOctets, reverse.known_frame_octets().is_some())
        .with(Group::TcpFlags, forward.known_tcp_flags().is_some() || reverse.known_tcp_flags().is_some())
        .with(Group::ForwardTcpFlags, forward.known_tcp_flags().is_some())
        .with(Group::ReverseTcpFlags, reverse.known_tcp_flags().is_some())
}

fn with_collected(set: GroupSet, collected: &Collected) -> GroupSet {
    set.with(Group::Collected, true)
        .with(Group::ExporterIpv4, collected.exporter.is_ipv4())
        .with(Group::ExporterIpv6, collected.exporter.is_ipv6())
        .with(Group::Routing, collected.routing.is_some())
        .with(Group::SourceSystem, collected.routing.is_some())
        .with(Group::DestinationSystem, collected.routing.is_some())
        .with(Group::OtherElements, !collected.others.is_empty())
        .with(Group::CollectorPath, !collected.path.is_empty())
}

fn with_tcp(set: GroupSet, tcp: &TcpHealth) -> GroupSet {
    set.with(Group::TcpHealth, true).with(Group::ApplicationLatency, tcp.latency.is_some())
}

fn with_packet_figures(set: GroupSet, figures: &PacketFigures) -> GroupSet {
    let PacketFigures { forward, reverse } = figures;
    set.with(Group::PacketFigures, true)
        .with(Group::ReversePacketFigures, reverse.is_some())
        .with(Group::PacketGaps, forward.is_some_and(|direction| direction.gaps.is_some()))
        .with(Group::ReversePacketGaps, reverse.is_some_and(|direction| direction.gaps.is_some()))
}

fn with_application(set: GroupSet, application: &Application) -> GroupSet {
    let response = application.dns.as_ref().and_then(|dns| dns.response.as_ref());
    set.with(Group::Application, true)
        .with(Group::ApplicationRequest, !application.request.is_empty())
        .with(Group::Tls, application.tls.is_some())
        .with(Group::Certificate, application.tls.as_ref().is_some_and(|tls| tls.certificate.is_some()))
        .with(Group::Http, application.http.is_some())
        .with(Group::HttpStatus, application.http.as_ref().is_some_and(|http| http.status.is_some()))
        .with(Group::Dns, application.dns.is_some())
        .with(Group::DnsResponse, response.is_some())
}

fn with_classification(set: GroupSet, known: &Classification) -> GroupSet {
    set.with(Group::Application, true)
        .with(Group::Classification, known.is_known())
        .with(Group::Risks, known.risks != 0)
}

fn with_tunnel(set: GroupSet, tunnel: &Tunnel) -> GroupSet {
    set.with(Group::Tunnel, true)
        .with(Group::TunnelIpv4, tunnel.source.is_ipv4())
        .with(Group::TunnelIpv6, tunnel.source.is_ipv6())
        .with(Group::TunnelId, tunnel.id.is_some() || tunnel.reverse_id.is_some())
        .with(Group::Layer2Segment, tunnel.layer2_segment().is_some())
}

fn with_translation(set: GroupSet, translation: &Translation) -> GroupSet {
    set.with(Group::Translation, true)
        .with(Group::TranslationIpv4, translation.source.is_ipv4())
        .with(Group::TranslationIpv6, translation.source.is_ipv6())
}

fn with_end(set: GroupSet, end: &ProcessEnd, groups: &EndGroups) -> GroupSet {
    let set = set
        .with(groups.usage, end.usage.is_some())
        .with(groups.iowait, end.usage.is_some_and(|u| u.iowait.is_some()))
        .with(groups.namespace, end.network_namespace.is_some())
        .with(groups.candidate, end.candidate.is_some())
        .with(groups.name, end.endpoint.as_ref().is_some_and(|endpoint| !endpoint.name.is_empty()))
        .with(groups.place, end.place.is_some())
        .with(groups.system, set.contains(groups.system) || end.place.as_ref().is_some_and(|place| place.system != 0))
        .with(groups.pod, end.kubernetes_namespace().is_some())
        .with(groups.node, end.node_name().is_some() || end.backs().is_some());
    let Some(process) = end.process.as_deref() else { return set };
    set.with(groups.process, true)
        .with(groups.user, Process::known_uid(process.uid).is_some())
        .with(groups.parent_user, process.parent_uid.and_then(Process::known_uid).is_some())
        .with(groups.real_user, process.real_uid.is_some())
        .with(groups.login, process.login.is_some())
}
