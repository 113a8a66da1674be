//! The ends of container traffic: a workload's pods, a container, this host outside containers, or another address.

use std::net::IpAddr;
use std::sync::Arc;

use pidflow_schema::{Attribution, FlowRecord, ProcessEnd};

/// Number of digits shown of a container id, as in container tools.
const SHORT_ID_DIGITS: usize = 12;
/// The characters of Kubernetes' random suffixes (`k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";
/// Characters of a pod's own suffix.
const SUFFIX_LENGTH: usize = 5;
/// The characters of a ReplicaSet's hash: each digit of a 32-bit number becomes one of these (`SafeEncodeString`
/// there).
const HASH: &str = "456789bcdf";
/// Length of such a hash. Only one in 43,000 is shorter, and a shorter one might be a word of the name.
const HASH_LENGTH: std::ops::RangeInclusive<usize> = 6..=10;
/// Digits of the minute since 1970 that a CronJob gives its Jobs, until 2160.
const MINUTE_LENGTH: usize = 8;

/// The shown part of a container id.
pub(crate) fn short_id(id: &str) -> &str {
    id.get(..SHORT_ID_DIGITS).unwrap_or(id)
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// The pods of this workload, by namespace and name.
    Pods(Arc<str>, Arc<str>),
    /// The container with this id, whose pod is unknown.
    Container(Arc<str>),
    /// This host, outside containers.
    Host,
    /// Not on this host, or unknown. A pod on another host has the pod's address.
    Address(IpAddr),
}

impl Workload {
    /// Both ends; none: neither is in a container.
    pub(crate) fn pair(r: &FlowRecord) -> Option<(Self, Self)> {
        let pair = (Self::of(&r.source, r.flow.source), Self::of(&r.destination, r.flow.destination));
        let is_container = |w: &Self| matches!(w, Self::Pods(..) | Self::Container(_));
        (is_container(&pair.0) || is_container(&pair.1)).then_some(pair)
    }

    fn of(end: &ProcessEnd, address: IpAddr) -> Self {
        match (&end.process, end.attribution) {
            (Some(p), _) if !p.placement.container_id.is_empty() => match &p.pod {
                Some(pod) => Self::Pods(Arc::clone(&pod.namespace), owner(&pod.name).into()),
                None => Self::Container(Arc::clone(&p.placement.container_id)),
            },
            (None, Attribution::Remote | Attribution::Offline) => Self::Address(address),
            _ => Self::Host,
        }
    }

    /// `NAMESPACE/WORKLOAD`, short id, the host's name, or the address.
    pub(crate) fn label(&self, host: &str) -> String {
        match self {
            Self::Pods(namespace, name) => format!("{namespace}/{name}"),
            Self::Container(id) => short_id(id).to_owned(),
            Self::Host => host.to_owned(),
            Self::Address(a) => a.to_string(),
        }
    }
}

/// The name of the pod's owner, derived from the pod's name as Kubernetes builds it: a Deployment's pods are
/// `NAME-HASH-SUFFIX`, a StatefulSet's `NAME-NUMBER`, a `DaemonSet`'s and a Job's `NAME-SUFFIX`, a `CronJob`'s
/// `NAME-MINUTE-SUFFIX`. Any other name is kept. A name that only looks like one of these is shortened too.
fn owner(pod: &str) -> &str {
    let consists_of = |part: &str, of: &str| part.chars().all(|c| of.contains(c));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_suffix = |part: &str| part.len() == SUFFIX_LENGTH && consists_of(part, SUFFIX);
    let is_hash = |part: &str| HASH_LENGTH.contains(&part.len()) && consists_of(part, HASH);
    let is_minute = |part: &str| part.len() == MINUTE_LENGTH && is_number(part);
    match pod.rsplit_once('-') {
        Some((name, last)) if is_suffix(last) => match name.rsplit_once('-') {
            Some((name, before)) if is_hash(before) || is_minute(before) => name,
            _ => name,
        },
        Some((name, last)) if is_number(last) => name,
        _ => pod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_named_after_their_owners() {
        for (pod, name) in [
            ("web-7c5ddbdf54-x2k9p", "web"),
            ("coredns-6d4b75cb6d-qwz7t", "coredns"),
            ("my-web-api-5b96c4d-bcdfg", "my-web-api"),
            ("db-0", "db"),
            ("db-main-12", "db-main"),
            ("kube-proxy-x2k9p", "kube-proxy"),
            ("backup-29384756-zz2kl", "backup"),
            ("kube-apiserver-node1", "kube-apiserver-node1"),
            ("debug", "debug"),
            ("web-7c5ddbdf54", "web-7c5ddbdf54"),
            ("web-redis-x2k9p", "web-redis"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(owner(pod), name, "{pod}");
        }
    }
}
