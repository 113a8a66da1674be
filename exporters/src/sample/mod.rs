//! Generated flow records of every kind, the same in every run: for tests, benchmarks and demonstrations.

mod ends;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use pidflow_schema::{
    Application, ApplicationLatency, ApplicationProtocol, Attribution, Certificate, Classification, Collected,
    Confidence, Counters, Dns, DnsResponse, EndObserver, Flow, FlowEndDetail, FlowEndReason, FlowRecord, Glued,
    Handshake, HostUsage, Http, InitialSequences, InitiatorBasis, Lost, PacketDirection, PacketFigures, PacketGaps,
    ProcessEnd, Protocol, Routing, TcpDirection, TcpEnd, TcpHealth, TcpState, Tls, TrafficDirection, Translation,
    Tunnel, TunnelKind, UnknownCounters,
};

use ends::{end, namespace_only, remote};

/// 2026-01-01T00:00:00Z, when the first flow begins.
const START_NS: u64 = 1_767_225_600_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

const HOST: &str = "host-a";
const OBSERVER: &str = "0f6e2d4ac7c24b0c9c3d5b8a4e1f7d20";

/// `count` records. Every combination of address family, known ends, known I/O wait, VLAN and failed connect occurs
/// within the first few dozen. Each record has a unique flow key.
#[must_use]
pub fn records(count: usize) -> Vec<FlowRecord> {
    (0..count as u64).map(record).collect()
}

/// The record with number `n`.
#[must_use]
pub fn record(n: u64) -> FlowRecord {
    let (source, destination) = match n % 7 {
        0..=3 => (end(n, true), end(n + 1, true)),
        4 => (end(n, true), remote(n)),
        5 => (remote(n), end(n, false)),
        _ => (namespace_only(n), ProcessEnd::unknown(Attribution::Offline)),
    };
    let connect_error = (n % 11 == 10).then_some(111);
    // Records of capture files have no host.
    let host = if n % 7 == 6 { "" } else { HOST };
    let host_usage =
        (!host.is_empty() && !n.is_multiple_of(4)).then_some(HostUsage { cpu_load: (n % 10_001) as u32, iowait: 12 });
    let mut flow = flow(n);
    let is_collected = n % 31 == 30;
    if is_collected {
        // As routers send it.
        flow.reverse = Counters::UNKNOWN;
        flow.forward.set(UnknownCounters::FRAME_OCTETS, None);
    }
    FlowRecord {
        host: host.into(),
        observer: if host.is_empty() { "" } else { OBSERVER }.into(),
        host_usage,
        flow,
        source,
        destination,
        connect_error,
        is_own: n % 13 == 12,
        direction: (n % 5 == 3).then_some(TrafficDirection::Out),
        collected: is_collected.then(|| Box::new(collected(n))),
        glued: (n % 37 == 36).then(|| Box::new(glued(n))),
    }
}

/// A record of the most common kind: TCP over IPv4 with everything known about both ends.
#[must_use]
pub fn full(n: u64) -> FlowRecord {
    let mut flow = flow(n);
    (flow.source, flow.destination) = addresses(n, false);
    flow.protocol = Protocol::TCP;
    flow.icmp_type_code = None;
    let host_usage = Some(HostUsage { cpu_load: 1234, iowait: 56 });
    let (source, destination) = (end(1, true), end(6, true));
    FlowRecord {
        host: HOST.into(),
        observer: OBSERVER.into(),
        host_usage,
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

fn addresses(n: u64, v6: bool) -> (IpAddr, IpAddr) {
    let host = |side: u32| (n as u32 & 0x3f_ffff) << 2 | side;
    if v6 {
        let a = |side| Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(host(side)));
        (a(1).into(), a(2).into())
    } else {
        let a = |side| Ipv4Addr::from(10 << 24 | host(side));
        (a(1).into(), a(2).into())
    }
}

const fn protocol(n: u64) -> u8 {
    match n % 5 {
        0..=2 => Protocol::TCP,
        3 => Protocol::UDP,
        _ => Protocol::ICMP,
    }
}

fn flow(n: u64) -> Flow {
    let v6 = n % 2 == 1;
    let (source, destination) = addresses(n, v6);
    let protocol = if v6 && protocol(n) == Protocol::ICMP { Protocol::ICMPV6 } else { protocol(n) };
    let icmp = matches!(protocol, Protocol::ICMP | Protocol::ICMPV6);
    let first_ns = START_NS + n * MILLISECOND_NS;
    let (source_port, destination_port) = if icmp { (7, 7) } else { (1024 + (n % 60_000) as u16, 443) };
    let last_ns = first_ns + (n % 5000) * MILLISECOND_NS;
    let has_ended = n.is_multiple_of(2);
    Flow {
        vlan: (n % 13 == 12).then_some((n % 4095) as u16),
        icmp_type_code: icmp.then_some(8 << 8),
        forward: counters(n, 0x1b),
        reverse: counters(n / 2, 0x13),
        ip_class_of_service: (n % 256) as u8,
        macs: (n % 3 != 2).then_some(([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])),
        interface_index: 2,
        interface: Arc::from("eth0"),
        end_reason: if has_ended { FlowEndReason::EndOfFlow } else { FlowEndReason::IdleTimeout },
        end_detail: if has_ended { FlowEndDetail::Fin } else { FlowEndDetail::None },
        initiator: if n % 4 == 3 { InitiatorBasis::FirstPacket } else { InitiatorBasis::Socket },
        handshake: (protocol == Protocol::TCP)
            .then_some(Handshake { server_us: (n % 90_000) as u32, client_us: (n % 5_000) as u32 }),
        initial_sequences: (protocol == Protocol::TCP && n % 10 < 9)
            .then_some(InitialSequences { source: (n as u32).wrapping_mul(2_654_435_761), destination: n as u32 }),
        network_namespace: (n % 7 != 6 && n % 5 != 4).then_some(0xf000_0000 + (n % 3) as u32),
        application: application(n, protocol).map(Arc::new),
        classification: (n % 29 == 27).then(|| Arc::new(classification(n))),
        tunnel: (n % 17 == 16).then(|| Box::new(tunnel(n))),
        translation: (n % 19 == 18).then(|| Box::new(translation(n))),
        is_translation_unknown: n % 19 == 7,
        sampling_rate: (n % 29 == 3).then_some(8),
        tcp: (protocol == Protocol::TCP && n % 7 == 1).then(|| Box::new(tcp(n))),
        packet_figures: (protocol != Protocol::TCP && n.is_multiple_of(3)).then(|| Box::new(packet_figures(n))),
        http_latency: (n % 23 == 4).then(|| Box::new(latency())),
        ..Flow::new(protocol, (source, source_port), (destination, destination_port), (first_ns, last_ns))
    }
}

/// TLS, HTTP, DNS, and SSH of which nothing else is known, with and without answers. Not where both ends are known: with these
/// elements too, such a record would not fit into a message of the usual size.
fn application(n: u64, protocol: u8) -> Option<Application> {
    let name: Arc<str> = format!("host-{n}.example").into();
    let is_answered = n.is_multiple_of(2);
    match (protocol, n % 23) {
        _ if n % 7 < 4 => None,
        (Protocol::TCP, 1 | 2) => Some(Application {
            tls: Some(Box::new(Tls {
                server_name: name,
                alpn: "h2,http/1.1".into(),
                version: is_answered.then_some(0x0304),
                fingerprint: "t13d1516h2_8daaf6152771_e5627efa2ab1".into(),
                certificate: (!is_answered).then(|| Arc::new(certificate(n))),
            })),
            ..Application::of(ApplicationProtocol::Tls)
        }),
        (Protocol::TCP, 3..=5) => Some(Application {
            http: Some(Box::new(Http {
                method: "GET".into(),
                host: name,
                path: "/index".into(),
                status: is_answered.then_some(200),
                user_agent: "curl/8.5.0".into(),
            })),
            ..Application::of(ApplicationProtocol::Http)
        }),
        (Protocol::TCP, 6) => Some(Application::of(ApplicationProtocol::Ssh)),
        (Protocol::TCP, 7) => {
            Some(Application { request: "SELECT".into(), ..Application::of(ApplicationProtocol::PostgreSql) })
        }
        (Protocol::UDP, 6..=12) => Some(Application {
            dns: Some(Box::new(Dns {
                query: name,
                query_type: 28,
                response: is_answered.then(|| DnsResponse { code: 0, answers: 1, addresses: "2001:db8::1".into() }),
            })),
            ..Application::of(ApplicationProtocol::Dns)
        }),
        _ => None,
    }
}

/// Of a server whose name is in it.
fn certificate(n: u64) -> Certificate {
    Certificate {
        subject: format!("CN=host-{n}.example").into(),
        issuer: "C=NL, O=Example, CN=Example CA".into(),
        fingerprint: "7a".repeat(32).into(),
        not_before: "2026-01-01T00:00:00Z".into(),
        not_after: "2027-01-01T00:00:00Z".into(),
    }
}

/// With and without risks.
fn classification(n: u64) -> Classification {
    let is_risky = n.is_multiple_of(2);
    Classification {
        master: 91,
        application: 126,
        name: "TLS.Google".into(),
        category: "Web".into(),
        breed: "Acceptable".into(),
        confidence: Some(if is_risky { Confidence::Dpi } else { Confidence::MatchByPort } as u8),
        risks: if is_risky { 1 << 9 } else { 0 },
        risk_names: if is_risky { "TLS Expired Certificate" } else { "" }.into(),
        risk_score: if is_risky { 100 } else { 0 },
    }
}

/// Of each kind in turn, over IPv4 and IPv6.
fn tunnel(n: u64) -> Tunnel {
    let index = n / 17;
    let kind = TunnelKind::ALL.get((index % TunnelKind::ALL.len() as u64) as usize).copied().unwrap_or_default();
    let id = (!matches!(kind, TunnelKind::IpInIp | TunnelKind::Teredo | TunnelKind::PimRegister | TunnelKind::Capwap))
        .then_some(n as u32);
    let reverse_id = if kind.has_id_per_direction() { Some(n as u32 + 1) } else { id };
    let (source, destination) = addresses(n, index % 3 == 2);
    Tunnel { kind, id, reverse_id, source, destination }
}

/// From exporters of both address families, with and without sampling, routing and other elements.
fn collected(n: u64) -> Collected {
    let index = n / 31;
    let (exporter, _) = addresses(n, index % 2 == 1);
    let routing = Routing {
        egress_interface: 7,
        source_as: 64_496,
        destination_as: 4_200_000_000,
        source_prefix: 24,
        destination_prefix: 16,
        direction: 1,
    };
    Collected {
        exporter,
        domain: 5,
        sampling_rate: (index % 3 != 2).then_some(100),
        routing: (index % 3 != 1).then_some(routing),
        others: Arc::from(if index.is_multiple_of(4) { "15=0a000001 9.46=0000000000000001" } else { "" }),
        path: Arc::from(if index.is_multiple_of(3) { "0123abcd,89ef4567" } else { "" }),
    }
}

/// Of two agents, of which the later records of some are missing.
fn glued(n: u64) -> Glued {
    let lost = n as i64 % 5 - 2;
    let at =
        |name: &str| EndObserver { id: format!("{name}-{}", n % 7).into(), host: format!("{name}.example").into() };
    Glued {
        source: at("client"),
        destination: at("server"),
        observers: "client,server".into(),
        records: 2 + n as u32 % 3,
        lost: n.is_multiple_of(2).then_some(Lost {
            packets: lost,
            octets: lost * 1500,
            reverse_packets: -lost,
            reverse_octets: i64::MIN,
        }),
    }
}

/// To another destination, and every other one from another source.
fn tcp(n: u64) -> TcpHealth {
    let end = TcpEnd::ALL.into_iter().nth(n as usize % 5);
    TcpHealth {
        forward: tcp_direction(n),
        reverse: tcp_direction(n + 1),
        state: TcpState::Closed,
        end,
        latency: Some(latency()),
    }
}

const fn latency() -> ApplicationLatency {
    ApplicationLatency { first_us: 1500, max_us: 2500, total_us: 4000, exchanges: 2 }
}

/// With and without packets of the destination, and with one packet alone.
fn packet_figures(n: u64) -> PacketFigures {
    let forward = packet_direction(n, n.is_multiple_of(2));
    PacketFigures { forward: Some(forward), reverse: (n % 4 > 1).then(|| packet_direction(n + 1, true)) }
}

fn packet_direction(n: u64, has_gaps: bool) -> PacketDirection {
    PacketDirection {
        sizes: [1, 2, 3, 4, 5, 6].map(|packets| packets + n as u32 % 10),
        min_octets: 40,
        max_octets: 70_000,
        gaps: has_gaps.then_some(PacketGaps {
            min_us: 1000,
            max_us: 5_000_000,
            mean_us: 40_000 + n,
            deviation_us: 7000,
        }),
        min_ttl: 63,
        max_ttl: 64,
        class_of_service: 0xb8,
        has_other_dscp: n % 2 == 1,
        ecn_seen: 5,
    }
}

fn tcp_direction(n: u64) -> TcpDirection {
    TcpDirection {
        retransmitted_packets: 1,
        retransmitted_bytes: 1000 + n,
        out_of_order_packets: 2,
        lost_bytes: 3,
        uncaptured_bytes: 4,
        duplicate_acks: 5,
        zero_windows: 6,
        syn_retransmissions: 7,
        timeout_retransmissions: 8,
        congestion_marks: 9,
        window_min: Some(10),
        window_max: Some(11),
        window_scale: Some(12),
        max_segment: Some(1460),
        rtt_min_us: Some(14),
        rtt_smoothed_us: Some(15),
    }
}

fn translation(n: u64) -> Translation {
    let (source, _) = addresses(n, n % 2 == 1);
    let (_, destination) = addresses(n + 2, n % 2 == 1);
    let source_port = if n.is_multiple_of(4) { 1024 } else { 1024 + (n % 60_000) as u16 };
    Translation { source, source_port, destination, destination_port: 8443, begun_by_source: true }
}

const fn counters(n: u64, tcp_flags: u8) -> Counters {
    let packets = n % 1000 + 1;
    Counters {
        packets,
        octets: packets * 700 + n,
        frame_octets: packets * 714 + n,
        tcp_flags,
        is_beyond_frame: n % 29 == 28,
        unknown: UnknownCounters::NONE,
    }
}
