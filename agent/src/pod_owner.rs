//! Guesses of owners from names, where Kubernetes was not asked or did not tell.

use pidflow_schema::Owner;

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

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
}

fn is_hash(part: &str) -> bool {
    HASH_LENGTH.contains(&part.len()) && part.chars().all(|c| HASH.contains(c))
}

fn is_minute(part: &str) -> bool {
    part.len() == MINUTE_LENGTH && is_number(part)
}

/// The name of the pod's owner, derived from the pod's name as Kubernetes builds it: a Deployment's pods are
/// `NAME-HASH-SUFFIX`, a StatefulSet's `NAME-NUMBER`, a `DaemonSet`'s and a Job's `NAME-SUFFIX`, a `CronJob`'s
/// `NAME-MINUTE-SUFFIX`. Any other name is kept. A name that only looks like one of these is shortened too.
pub(crate) fn owner_of_pod(pod: &str) -> &str {
    let is_suffix = |part: &str| part.len() == SUFFIX_LENGTH && part.chars().all(|c| SUFFIX.contains(c));
    match pod.rsplit_once('-') {
        Some((name, last)) if is_suffix(last) => match name.rsplit_once('-') {
            Some((name, before)) if is_hash(before) || is_minute(before) => name,
            _ => name,
        },
        Some((name, last)) if is_number(last) => name,
        _ => pod,
    }
}

/// The owner of a ReplicaSet (`DEPLOYMENT-HASH`) or Job (`CRONJOB-MINUTE`) by its name; none: the name shows none.
pub(crate) fn owner_of_controller(controller: &Owner) -> Option<Owner> {
    let (name, last) = controller.name.rsplit_once('-')?;
    let kind = match &*controller.kind {
        "ReplicaSet" if is_hash(last) => "Deployment",
        "Job" if is_minute(last) => "CronJob",
        _ => return None,
    };
    Some(Owner { kind: kind.into(), name: name.into() })
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
            assert_eq!(owner_of_pod(pod), name, "{pod}");
        }
    }

    #[test]
    fn controllers_are_named_after_their_owners() {
        let owner = |kind: &str, name: &str| {
            let owner = owner_of_controller(&Owner { kind: kind.into(), name: name.into() })?;
            Some(format!("{}/{}", owner.kind, owner.name))
        };
        for (kind, name, expected) in [
            ("ReplicaSet", "web-7c5ddbdf54", Some("Deployment/web")),
            ("ReplicaSet", "web", None),
            ("ReplicaSet", "my-set", None),
            ("ReplicationController", "web-7c5ddbdf54", None),
            ("Job", "backup-29384756", Some("CronJob/backup")),
            ("Job", "backup-1", None),
            ("Job", "backup", None),
            ("StatefulSet", "db-29384756", None),
        ] {
            assert_eq!(owner(kind, name).as_deref(), expected, "{kind} {name}");
        }
    }
}
