//! The memory of records in queues and stores.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    Application, Candidate, Certificate, Classification, Collected, Container, Dns, Endpoint, FlowRecord, Glued, Http,
    Node, Owner, Place, Placement, Pod, PodDetails, Process, ProcessEnd, Service, Tls,
};

/// Texts shorter than this, in bytes, are counted for each reference, because finding shared ones would cost more.
const MIN_SHARED_TEXT: usize = 64;
/// Size of the two reference counts of a shared value, bytes.
const SHARED_OVERHEAD: usize = 2 * size_of::<usize>();

/// Memory of records, bytes: their own and that of everything they refer to. Shared values are counted once. Some of
/// them may be shared with others, so the result is an upper estimate.
#[must_use]
pub fn kept_bytes(records: &[FlowRecord]) -> usize {
    let mut kept = Kept::default();
    records.iter().for_each(|record| kept.record(record));
    size_of_val(records) + kept.bytes
}

impl Process {
    /// Memory that it keeps, bytes, with all its texts.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        let mut kept = Kept::default();
        kept.process(self);
        kept.bytes
    }
}

#[derive(Default)]
struct Kept {
    /// Addresses of what is counted already.
    seen: HashSet<*const u8>,
    bytes: usize,
}

impl Kept {
    fn record(&mut self, record: &FlowRecord) {
        self.end(&record.source);
        self.end(&record.destination);
        let flow = &record.flow;
        self.texts(&[&record.host, &record.observer, &flow.interface]);
        if let Some(application) = flow.application.as_ref().filter(|application| self.is_new(application)) {
            self.application(application);
        }
        if let Some(classification) = flow.classification.as_ref().filter(|classification| self.is_new(classification))
        {
            self.bytes += SHARED_OVERHEAD + size_of::<Classification>();
            self.texts(&classification.texts().map(|text| &**text));
        }
        if let Some(tunnel) = &flow.tunnel {
            self.bytes += size_of_val(&**tunnel);
        }
        if let Some(translation) = &flow.translation {
            self.bytes += size_of_val(&**translation);
        }
        if let Some(tcp) = &flow.tcp {
            self.bytes += size_of_val(&**tcp);
        }
        if let Some(latency) = &flow.http_latency {
            self.bytes += size_of_val(&**latency);
        }
        if let Some(figures) = &flow.packet_figures {
            self.bytes += size_of_val(&**figures);
        }
        if let Some(Collected { others, path, exporter: _, domain: _, sampling_rate: _, routing: _ }) =
            record.collected.as_deref()
        {
            self.bytes += size_of::<Collected>();
            self.texts(&[others, path]);
        }
        if let Some(Glued { source, destination, observers, records: _, lost: _ }) = record.glued.as_deref() {
            self.bytes += size_of::<Glued>();
            self.texts(&[&source.id, &source.host, &destination.id, &destination.host, observers]);
        }
    }

    fn application(&mut self, application: &Application) {
        let Application { protocol: _, tls, http, dns, request } = application;
        self.bytes += SHARED_OVERHEAD + size_of::<Application>();
        self.texts(&[request]);
        if let Some(Tls { server_name, alpn, version: _, fingerprint, certificate }) = tls.as_deref() {
            self.bytes += size_of::<Tls>();
            if let Some(certificate) = certificate.as_ref().filter(|certificate| self.is_new(certificate)) {
                self.bytes += SHARED_OVERHEAD + size_of::<Certificate>();
                self.texts(&certificate.texts().map(|text| &**text));
            }
            self.texts(&[server_name, alpn, fingerprint]);
        }
        if let Some(Http { method, host, path, status: _, user_agent }) = http.as_deref() {
            self.bytes += size_of::<Http>();
            self.texts(&[method, host, path, user_agent]);
        }
        if let Some(Dns { query, query_type: _, response }) = dns.as_deref() {
            self.bytes += size_of::<Dns>();
            self.texts(&[query, response.as_ref().map_or("", |response| &*response.addresses)]);
        }
    }

    /// Names all members, so that a new one is not forgotten here.
    fn end(&mut self, end: &ProcessEnd) {
        let ProcessEnd { process, candidate, endpoint, place, attribution: _, usage: _, network_namespace: _ } = end;
        if let Some(process) = process.as_ref().filter(|process| self.is_new(process)) {
            self.process(process);
        }
        if let Some(Candidate { name, pid: _ }) = candidate {
            self.texts(&[name]);
        }
        if let Some(place) = place.as_ref().filter(|place| self.is_new(place)) {
            self.bytes += SHARED_OVERHEAD + size_of::<Place>();
            self.texts(&place.texts().map(|text| &**text));
        }
        if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| self.is_new(endpoint)) {
            let Endpoint { pod, service, node, backs, name } = &**endpoint;
            self.bytes += SHARED_OVERHEAD + size_of::<Endpoint>();
            self.texts(&[name, backs]);
            self.pod(pod.as_ref());
            self.service(service.as_ref());
            self.node(node.as_ref());
        }
    }

    fn process(&mut self, process: &Process) {
        let Process { pid: _, start_ns: _, uid: _, real_uid: _, login: _, inner_pid: _, is_deleted: _, .. } = process;
        let Process { parent_pid: _, parent_uid: _, name, user, real_user, login_user, executable, .. } = process;
        let Process { command_line, placement, pod, parent_name, parent_user, ancestors, .. } = process;
        let Process { container, service_name, .. } = process;
        self.bytes += SHARED_OVERHEAD + size_of::<Process>();
        self.texts(&[name, user, real_user, login_user, executable, command_line, parent_name, parent_user, ancestors]);
        self.texts(&[service_name]);
        self.placement(placement);
        self.pod(pod.as_ref());
        self.container(container.as_ref());
    }

    fn container(&mut self, container: Option<&Arc<Container>>) {
        if let Some(container) = container.filter(|container| self.is_new(container)) {
            let Container { name, image, compose_project, compose_service } = &**container;
            self.bytes += SHARED_OVERHEAD + size_of::<Container>();
            self.texts(&[name, image, compose_project, compose_service]);
        }
    }

    fn placement(&mut self, placement: &Placement) {
        let Placement { container_id, container_runtime, unit, user_unit, slice } = placement;
        self.texts(&[container_id, container_runtime, unit, user_unit, slice]);
    }

    fn pod(&mut self, pod: Option<&Arc<Pod>>) {
        if let Some(pod) = pod.filter(|pod| self.is_new(pod)) {
            let Pod { namespace, name, container, details } = &**pod;
            self.bytes += SHARED_OVERHEAD + size_of::<Pod>();
            self.texts(&[namespace, name, container]);
            self.pod_details(details.as_ref());
        }
    }

    fn pod_details(&mut self, details: Option<&Arc<PodDetails>>) {
        if let Some(details) = details.filter(|details| self.is_new(details)) {
            let PodDetails { uid, node, labels, annotations, controller, owner, owner_basis: _ } = &**details;
            self.bytes += SHARED_OVERHEAD + size_of::<PodDetails>();
            self.texts(&[uid, node, labels, annotations]);
            for Owner { kind, name } in [controller, owner].into_iter().flatten() {
                self.texts(&[kind, name]);
            }
        }
    }

    fn service(&mut self, service: Option<&Arc<Service>>) {
        if let Some(service) = service.filter(|service| self.is_new(service)) {
            let Service { namespace, name } = &**service;
            self.bytes += SHARED_OVERHEAD + size_of::<Service>();
            self.texts(&[namespace, name]);
        }
    }

    fn node(&mut self, node: Option<&Arc<Node>>) {
        if let Some(node) = node.filter(|node| self.is_new(node)) {
            let Node { name, zone } = &**node;
            self.bytes += SHARED_OVERHEAD + size_of::<Node>();
            self.texts(&[name, zone]);
        }
    }

    fn texts(&mut self, texts: &[&str]) {
        for text in texts.iter().filter(|text| !text.is_empty()) {
            if text.len() < MIN_SHARED_TEXT || self.seen.insert(text.as_ptr()) {
                self.bytes += SHARED_OVERHEAD + text.len();
            }
        }
    }

    fn is_new<T>(&mut self, shared: &Arc<T>) -> bool {
        self.seen.insert(Arc::as_ptr(shared).cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Attribution, DnsResponse, Flow, OwnerBasis};

    const LONG: usize = 5000;

    fn text(letter: char) -> Arc<str> {
        letter.to_string().repeat(LONG).into()
    }

    fn pod(letter: char) -> Arc<Pod> {
        let owner = || Some(Owner { kind: text(letter), name: text(letter) });
        let details = PodDetails {
            uid: text(letter),
            node: text(letter),
            labels: text(letter),
            annotations: text(letter),
            controller: owner(),
            owner: owner(),
            owner_basis: OwnerBasis::OwnerReference,
        };
        let details = Some(Arc::new(details));
        Arc::new(Pod { namespace: text(letter), name: text(letter), container: text(letter), details })
    }

    fn placement() -> Placement {
        let [container_id, container_runtime, unit, user_unit, slice] = ['e', 't', 'u', 'v', 'w'].map(text);
        Placement { container_id, container_runtime, unit, user_unit, slice }
    }

    fn container() -> Arc<Container> {
        let [name, image, compose_project, compose_service] = ['A', 'B', 'C', 'D'].map(text);
        Arc::new(Container { name, image, compose_project, compose_service })
    }

    /// Thirty long texts.
    fn process() -> Process {
        Process {
            name: text('a'),
            user: text('b'),
            executable: text('c'),
            command_line: text('d'),
            real_user: text('r'),
            login_user: text('s'),
            placement: placement(),
            pod: Some(pod('f')),
            container: Some(container()),
            service_name: text('E'),
            parent_name: text('g'),
            parent_user: text('h'),
            ancestors: text('i'),
            ..Process::default()
        }
    }

    /// Ten long texts.
    fn application() -> Application {
        let response = DnsResponse { addresses: text('6'), ..DnsResponse::default() };
        Application {
            tls: Some(Box::new(Tls {
                server_name: text('o'),
                alpn: text('p'),
                version: None,
                fingerprint: text('r'),
                certificate: None,
            })),
            http: Some(Box::new(Http {
                method: text('1'),
                host: text('2'),
                path: text('3'),
                status: None,
                user_agent: text('4'),
            })),
            dns: Some(Box::new(Dns { query: text('5'), query_type: 1, response: Some(response) })),
            request: text('7'),
            ..Application::default()
        }
    }

    fn record() -> FlowRecord {
        let ends = std::net::IpAddr::from([127, 0, 0, 1]);
        let mut record = FlowRecord::without_processes(Flow::new(6, (ends, 1), (ends, 2), (0, 0)), Attribution::Remote);
        record.source.process = Some(Arc::new(process()));
        record.source.candidate = Some(Candidate { pid: 1, name: text('j') });
        let service = Some(Arc::new(Service { namespace: text('q'), name: text('q') }));
        let node = Some(Arc::new(Node { name: text('r'), zone: text('s') }));
        let endpoint = Endpoint { pod: Some(pod('k')), service, node, backs: text('t'), name: text('l') };
        record.destination.endpoint = Some(Arc::new(endpoint));
        (record.host, record.flow.interface) = (text('m'), text('n'));
        record.flow.application = Some(Arc::new(application()));
        record.flow.tunnel = Some(Box::default());
        record
    }

    /// Whichever member has one.
    fn long_texts(record: &FlowRecord) -> usize {
        format!("{record:?}").split('"').filter(|text| text.len() == LONG).count()
    }

    #[test]
    fn every_text_of_a_record_counts() {
        let record = record();
        let texts = long_texts(&record);
        assert_eq!(texts, 30 + 1 + 12 + 5 + 2 + 10);
        let bytes = kept_bytes(std::slice::from_ref(&record));
        assert!((texts * LONG..texts * LONG + 3000).contains(&bytes), "{bytes}");
        let bytes = process().kept_bytes();
        assert!((30 * LONG..30 * LONG + 1500).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_is_shared_counts_once() {
        let one = record();
        let copy = Process::clone(one.source.process.as_ref().unwrap());
        let mut other = one.clone();
        other.source.process = Some(Arc::new(copy));
        let (alone, both) = (kept_bytes(std::slice::from_ref(&one)), kept_bytes(&[one, other]));
        assert!(both < alone + 3000, "{alone} {both}");
    }
}
