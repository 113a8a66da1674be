//! What is kept of a pod, service, node or endpoint slice.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use pidflow_engine::texts::cut;
use pidflow_schema::{Container, Endpoint, Node, Owner, OwnerBasis, Pod, PodDetails, Protocol, Service};

use super::access::Chosen;
use super::object;
use super::texts::Texts;

/// The chosen labels of a pod together, and its chosen annotations, bytes.
const MAX_PAIRS: usize = 1024;
/// The label that names a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";
/// The label that names the service of an endpoint slice.
const SERVICE: &str = "kubernetes.io/service-name";
/// Memory of an address that is known, bytes.
const PER_ADDRESS: usize = 64;

/// A pod, service, node or endpoint slice with its addresses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tenant {
    pub(super) uid: Arc<str>,
    /// Its own addresses; none: it shares those of the node, or has none yet.
    pub(super) addresses: Vec<IpAddr>,
    /// IP protocols and ports of a service's endpoints; port 0: all.
    pub(super) ports: Arc<[(u8, u16)]>,
    /// When it may have got them, nanoseconds since the epoch by the wall clock; none: unknown.
    pub(super) since_ns: Option<u64>,
    pub(super) endpoint: Arc<Endpoint>,
    /// Its containers by id.
    pub(super) containers: Vec<(Box<str>, Arc<Pod>)>,
    /// It has ended, and gave up its addresses; its object still exists.
    pub(super) has_ended: bool,
}

/// Who owns a pod.
#[derive(Debug, Clone, Default)]
pub(super) struct Ownership {
    pub(super) controller: Option<Owner>,
    pub(super) owner: Option<Owner>,
    pub(super) basis: OwnerBasis,
}

impl Tenant {
    /// Memory, bytes: an upper estimate.
    pub(super) fn bytes(&self) -> usize {
        const PER_CONTAINER: usize = Container::ID_DIGITS + size_of::<Pod>() + 96;
        size_of::<Self>()
            + 512
            + self.endpoint.text_bytes()
            + self.addresses.len() * PER_ADDRESS
            + self.containers.len() * PER_CONTAINER
    }

    /// None: the object has no identity.
    pub(super) fn of_pod(pod: &object::Pod, owners: Ownership, chosen: &Chosen, texts: &mut Texts) -> Option<Self> {
        let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
        let uid = texts.shared(pod.metadata.uid.as_deref()?);
        let is_host = spec.is_some_and(|s| s.host_network == Some(true));
        let phase = status.and_then(|s| s.phase.as_deref());
        let details = PodDetails {
            uid: Arc::clone(&uid),
            node: texts.shared(spec.and_then(|s| s.node_name.as_deref()).unwrap_or_default()),
            labels: texts.shared_pairs(pod.metadata.labels.as_ref(), &chosen.labels),
            annotations: texts.shared_pairs(pod.metadata.annotations.as_ref(), &chosen.annotations),
            controller: owners.controller,
            owner: owners.owner,
            owner_basis: owners.basis,
        };
        let named = Pod {
            namespace: texts.shared(pod.metadata.namespace.as_deref()?),
            name: texts.shared(pod.metadata.name.as_deref()?),
            container: Arc::default(),
            details: Some(Arc::new(details)),
        };
        let containers = status.map(|s| containers(s, &named, texts)).unwrap_or_default();
        Some(Self {
            uid,
            addresses: if is_host { Vec::new() } else { status.map(addresses).unwrap_or_default() },
            ports: Arc::default(),
            since_ns: status.and_then(|s| time_ns(s.start_time.as_deref()?)),
            endpoint: Arc::new(Endpoint { pod: Some(Arc::new(named)), ..Endpoint::default() }),
            containers,
            has_ended: matches!(phase, Some("Succeeded" | "Failed")),
        })
    }

    /// None: the object has no identity.
    pub(super) fn of_service(service: &object::Service, texts: &mut Texts) -> Option<Self> {
        let metadata = &service.metadata;
        let named = Service {
            namespace: texts.shared(metadata.namespace.as_deref()?),
            name: texts.shared(metadata.name.as_deref()?),
        };
        let spec = service.spec.as_ref();
        let many = spec.and_then(|s| s.cluster_ips.as_deref()).unwrap_or_default().iter().map(String::as_str);
        // A headless service has `None` instead of an address.
        let addresses = many.chain(spec.and_then(|s| s.cluster_ip.as_deref())).filter_map(|a| a.parse().ok());
        let endpoint = Endpoint { service: Some(Arc::new(named)), ..Endpoint::default() };
        Self::of_metadata(metadata, distinct(addresses), endpoint, texts)
    }
}

impl Tenant {
    /// None: the object has no identity.
    pub(super) fn of_node(node: &object::Node, texts: &mut Texts) -> Option<Self> {
        let metadata = &node.metadata;
        let zone = metadata.labels.as_ref().and_then(|labels| labels.get(ZONE)).map_or("", String::as_str);
        let named = Node { name: texts.shared(metadata.name.as_deref()?), zone: texts.shared(zone) };
        let all = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
        let addresses = all.filter_map(|a| a.address.as_deref()?.parse().ok());
        let endpoint = Endpoint { node: Some(Arc::new(named)), ..Endpoint::default() };
        Self::of_metadata(metadata, distinct(addresses), endpoint, texts)
    }

    /// None: the object has no identity, or belongs to no service.
    pub(super) fn of_slice(slice: &object::EndpointSlice, texts: &mut Texts) -> Option<Self> {
        let metadata = &slice.metadata;
        let service = metadata.labels.as_ref()?.get(SERVICE)?;
        let backs = texts.shared(&format!("{}/{service}", metadata.namespace.as_deref()?));
        let all = slice.endpoints.iter().flatten().flat_map(|endpoint| endpoint.addresses.iter().flatten());
        let addresses = distinct(all.filter_map(|a| a.parse().ok()));
        let endpoint = Endpoint { backs, ..Endpoint::default() };
        let tenant = Self::of_metadata(metadata, addresses, endpoint, texts)?;
        Some(Self { ports: slice.ports.iter().flatten().filter_map(port).collect(), ..tenant })
    }

    fn of_metadata(
        metadata: &object::Metadata,
        addresses: Vec<IpAddr>,
        endpoint: Endpoint,
        texts: &mut Texts,
    ) -> Option<Self> {
        Some(Self {
            uid: texts.shared(metadata.uid.as_deref()?),
            addresses,
            ports: Arc::default(),
            since_ns: metadata.creation_timestamp.as_deref().and_then(time_ns),
            endpoint: Arc::new(endpoint),
            containers: Vec::new(),
            has_ended: false,
        })
    }
}

/// None: the protocol is unknown.
fn port(port: &object::EndpointPort) -> Option<(u8, u16)> {
    let protocol = match port.protocol.as_deref().unwrap_or("TCP") {
        "TCP" => Protocol::TCP,
        "UDP" => Protocol::UDP,
        "SCTP" => Protocol::SCTP,
        _ => return None,
    };
    Some((protocol, port.port.unwrap_or(0)))
}

impl Texts {
    /// The wanted labels or annotations, as `NAME=VALUE`.
    fn shared_pairs(&mut self, all: Option<&BTreeMap<String, String>>, wanted: &[String]) -> Arc<str> {
        let found = wanted.iter().filter_map(|name| Some((name, all?.get(name)?)));
        let joined: Vec<_> = found.map(|(name, value)| format!("{name}={value}")).collect();
        let joined = joined.join(",");
        if joined.len() <= super::texts::MAX_NAME { self.shared(&joined) } else { cut(&joined, MAX_PAIRS).into() }
    }
}

fn containers(status: &object::PodStatus, pod: &Pod, texts: &mut Texts) -> Vec<(Box<str>, Arc<Pod>)> {
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let all = lists.into_iter().flatten().flatten();
    let named = all.filter_map(|c| {
        let id = c.container_id.as_deref()?.rsplit_once("://")?.1;
        let container = texts.shared(c.name.as_deref()?);
        Container::is_id(id).then(|| (id.into(), Arc::new(Pod { container, ..pod.clone() })))
    });
    named.collect()
}

fn addresses(status: &object::PodStatus) -> Vec<IpAddr> {
    let many = status.pod_ips.iter().flatten().filter_map(|a| a.ip.as_deref());
    distinct(many.chain(status.pod_ip.as_deref()).filter_map(|a| a.parse().ok()))
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = addresses.collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn time_ns(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}
