//! Helpers with which the rows of the table write values into a record.

use std::sync::Arc;

use crate::record::{
    Application, ApplicationLatency, Candidate, Certificate, Classification, Collected, Container, Dns, DnsResponse,
    Endpoint, FlowRecord, Glued, Handshake, HostUsage, Http, InitialSequences, Login, Lost, Node, Owner, PacketFigures,
    Place, Placement, Pod, PodDetails, Process, ProcessEnd, ProcessUsage, Routing, Service, TcpHealth, Tls,
    Translation, Tunnel,
};

/// Sets the value in the record, if there is one.
pub(super) fn set<T>(value: Option<T>, put: impl FnOnce(T)) -> Option<()> {
    value.map(put)
}

/// The time of HTTP's requests, created if missing.
pub(super) fn http_latency_mut(record: &mut FlowRecord) -> &mut ApplicationLatency {
    record.flow.http_latency.get_or_insert_default()
}

/// The process of an end, created if missing; then its user is unknown.
pub(super) fn process_mut(end: &mut ProcessEnd) -> &mut Process {
    let unknown = || Arc::new(Process { uid: Process::UNKNOWN_UID, ..Process::default() });
    Arc::make_mut(end.process.get_or_insert_with(unknown))
}

/// Where an end's process is placed; the process is made where there was none.
pub(super) fn placement_mut(end: &mut ProcessEnd) -> &mut Placement {
    &mut process_mut(end).placement
}

/// The login of an end's process, made where there was none.
pub(super) fn login_mut(end: &mut ProcessEnd) -> &mut Login {
    process_mut(end).login.get_or_insert(Login { uid: Process::UNKNOWN_UID, session: 0 })
}

/// What the container engine knows of the container of an end's process, made where there was nothing.
pub(super) fn container_mut(end: &mut ProcessEnd) -> &mut Container {
    Arc::make_mut(process_mut(end).container.get_or_insert_default())
}

/// The service of an end, created if missing.
pub(super) fn service_mut(end: &mut ProcessEnd) -> &mut Service {
    Arc::make_mut(endpoint_mut(end).service.get_or_insert_default())
}

/// The Kubernetes node of an end, created if missing.
pub(super) fn node_mut(end: &mut ProcessEnd) -> &mut Node {
    Arc::make_mut(endpoint_mut(end).node.get_or_insert_default())
}

/// What is known of the pod of an end, created if missing.
pub(super) fn pod_details_mut(end: &mut ProcessEnd) -> &mut PodDetails {
    Arc::make_mut(pod_mut(end).details.get_or_insert_default())
}

/// The topmost owner of the pod of an end, created if missing.
pub(super) fn owner_mut(end: &mut ProcessEnd) -> &mut Owner {
    pod_details_mut(end).owner.get_or_insert_default()
}

/// Names the owner of that kind: the controller, if the kind creates pods, and the topmost owner, unless that is of another kind.
pub(super) fn set_owner_of_kind(end: &mut ProcessEnd, kind: &str, name: Arc<str>) {
    const CONTROLLERS: [&str; 4] = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"];
    let details = pod_details_mut(end);
    let owner = Owner { kind: kind.into(), name };
    if details.owner.as_ref().is_none_or(|topmost| topmost.kind == owner.kind) {
        details.owner = Some(owner.clone());
    }
    if CONTROLLERS.contains(&kind) {
        details.controller = Some(owner);
    }
}

/// The pod of an end, created if missing: that of its process, or, where there is no process, the one with its address.
pub(super) fn pod_mut(end: &mut ProcessEnd) -> &mut Pod {
    let pod = match end.process {
        Some(_) => &mut process_mut(end).pod,
        None => &mut endpoint_mut(end).pod,
    };
    Arc::make_mut(pod.get_or_insert_default())
}

/// The usage of an end's process, created if missing.
pub(super) fn usage_mut(end: &mut ProcessEnd) -> &mut ProcessUsage {
    end.usage.get_or_insert_default()
}

/// The candidate of an end, created if missing.
pub(super) fn candidate_mut(end: &mut ProcessEnd) -> &mut Candidate {
    end.candidate.get_or_insert_default()
}

/// The host's load, created if missing.
pub(super) fn host_usage_mut(record: &mut FlowRecord) -> &mut HostUsage {
    record.host_usage.get_or_insert_default()
}

/// Both MAC addresses, created if missing.
pub(super) fn macs_mut(record: &mut FlowRecord) -> &mut ([u8; 6], [u8; 6]) {
    record.flow.macs.get_or_insert_default()
}

/// The handshake, created if missing.
pub(super) fn handshake_mut(record: &mut FlowRecord) -> &mut Handshake {
    record.flow.handshake.get_or_insert(Handshake { server_us: 0, client_us: 0 })
}

/// Sets the duration of a handshake of which the halves may be known to two milliseconds: they get the rest.
pub(super) fn set_handshake(record: &mut FlowRecord, total_us: u32) {
    const ROUNDED_OFF_US: u32 = 1999;
    let halves = handshake_mut(record);
    let rest = total_us.saturating_sub(halves.server_us);
    halves.client_us = rest.min(halves.client_us.saturating_add(ROUNDED_OFF_US));
    halves.server_us = total_us - halves.client_us;
}

/// Both initial sequence numbers, created if missing.
pub(super) fn sequences_mut(record: &mut FlowRecord) -> &mut InitialSequences {
    record.flow.initial_sequences.get_or_insert_default()
}

/// The tunnel, made where there was none.
pub(super) fn tunnel_mut(record: &mut FlowRecord) -> &mut Tunnel {
    record.flow.tunnel.get_or_insert_default()
}

/// The translation, made where there was none.
pub(super) fn translation_mut(record: &mut FlowRecord) -> &mut Translation {
    record.flow.translation.get_or_insert_default()
}

/// The figures of a TCP connection, made where there were none.
pub(super) fn tcp_mut(record: &mut FlowRecord) -> &mut TcpHealth {
    record.flow.tcp.get_or_insert_default()
}

/// What the packets look like, made where there was nothing.
pub(super) fn packets_mut(record: &mut FlowRecord) -> &mut PacketFigures {
    record.flow.packet_figures.get_or_insert_default()
}

/// Its application latency, made where there was none.
pub(super) fn latency_mut(record: &mut FlowRecord) -> &mut ApplicationLatency {
    tcp_mut(record).latency.get_or_insert_default()
}

/// Where a collected record came from, made where it was not known.
pub(super) fn collected_mut(record: &mut FlowRecord) -> &mut Collected {
    record.collected.get_or_insert_default()
}

/// How it was put together, made where it was not known.
pub(super) fn glued_mut(record: &mut FlowRecord) -> &mut Glued {
    record.glued.get_or_insert_default()
}

/// What was lost between the ends, made where it was not known.
pub(super) fn lost_mut(record: &mut FlowRecord) -> &mut Lost {
    glued_mut(record).lost.get_or_insert_default()
}

/// How the exporter forwarded the flow, made where it was not known.
pub(super) fn routing_mut(record: &mut FlowRecord) -> &mut Routing {
    collected_mut(record).routing.get_or_insert_default()
}

/// The application, made where there was none.
pub(super) fn application_mut(record: &mut FlowRecord) -> &mut Application {
    Arc::make_mut(record.flow.application.get_or_insert_default())
}

/// What nDPI says, made where there was nothing.
pub(super) fn classification_mut(record: &mut FlowRecord) -> &mut Classification {
    Arc::make_mut(record.flow.classification.get_or_insert_default())
}

/// The TLS handshake, made where there was none.
pub(super) fn tls_mut(record: &mut FlowRecord) -> &mut Tls {
    application_mut(record).tls.get_or_insert_default()
}

/// The certificate, made where there was none.
pub(super) fn certificate_mut(record: &mut FlowRecord) -> &mut Certificate {
    Arc::make_mut(tls_mut(record).certificate.get_or_insert_default())
}

/// The HTTP exchange, made where there was none.
pub(super) fn http_mut(record: &mut FlowRecord) -> &mut Http {
    application_mut(record).http.get_or_insert_default()
}

/// The DNS query, made where there was none.
pub(super) fn dns_mut(record: &mut FlowRecord) -> &mut Dns {
    application_mut(record).dns.get_or_insert_default()
}

/// The response to the DNS query, made where there was none.
pub(super) fn dns_response_mut(record: &mut FlowRecord) -> &mut DnsResponse {
    dns_mut(record).response.get_or_insert_default()
}

/// Where an end is, made where it was not known.
pub(super) fn place_mut(end: &mut ProcessEnd) -> &mut Place {
    Arc::make_mut(end.place.get_or_insert_default())
}

/// The other properties of an end, made where there were none.
pub(super) fn endpoint_mut(end: &mut ProcessEnd) -> &mut Endpoint {
    Arc::make_mut(end.endpoint.get_or_insert_default())
}
