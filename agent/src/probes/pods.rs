//! Which Kubernetes pod a container belongs to.
//!
//! The kubelet keeps a link to the log of each container, named `POD_NAMESPACE_CONTAINER-ID.log` (`legacyLogSymlink` in
//! its sources), so that names are known without asking the API server. It makes the link after the container has
//! started.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pidflow_engine::fact::{Fact, PodSource};
use pidflow_schema::{Container, Owner, OwnerBasis, Pod, PodDetails};

use crate::pod_owner::owner_of_pod;

/// The greatest length of a DNS name (RFC 1123), bytes.
const MAX_NAME: usize = 253;
/// The coarsest timestamp of file systems. A change less than this long after a reading may not change the folder's
/// timestamp.
const MAX_TIMESTAMP_STEP: Duration = Duration::from_secs(1);

/// The pods of this host's containers, from the names of links in a folder.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    folder: PathBuf,
    known: HashMap<Box<str>, Arc<Pod>>,
    /// The folder's modification time; none: it does not exist.
    changed: Option<SystemTime>,
    /// When to read the folder once more although its time has not changed.
    again: Option<Instant>,
}

impl Pods {
    /// The pods of a folder, none of which is known yet.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// All pods, if they have changed since the last call. Costs one `stat` while nothing changes.
    pub(crate) fn poll(&mut self) -> Option<Fact> {
        if !self.is_due(Instant::now()) {
            return None;
        }
        let found = read(&self.folder);
        (found != self.known).then(|| {
            self.known.clone_from(&found);
            Fact::Pods(PodSource::Links, found)
        })
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let changed = fs::metadata(&self.folder).and_then(|m| m.modified()).ok();
        if changed != self.changed {
            (self.changed, self.again) = (changed, Some(now + MAX_TIMESTAMP_STEP));
            return true;
        }
        self.again.take_if(|due| *due <= now).is_some()
    }
}

/// All pods of a folder; none if it does not exist.
fn read(folder: &Path) -> HashMap<Box<str>, Arc<Pod>> {
    let links = fs::read_dir(folder).into_iter().flatten().flatten();
    links.filter_map(|l| parse(l.file_name().to_str()?)).collect()
}

/// Container id and pod. A name that the kubelet cut at 255 bytes lacks its id and is ignored.
fn parse(link: &str) -> Option<(Box<str>, Arc<Pod>)> {
    let (names, id) = link.strip_suffix(".log")?.rsplit_once('-')?;
    let mut names = names.split('_');
    let (name, namespace, container) = (names.next()?, names.next()?, names.next()?);
    let are_names = names.next().is_none() && [name, namespace, container].into_iter().all(is_dns_name);
    (Container::is_id(id) && are_names).then(|| {
        let pod = Pod {
            namespace: namespace.into(),
            name: name.into(),
            container: container.into(),
            details: Some(Arc::new(guessed(name))),
        };
        (id.into(), Arc::new(pod))
    })
}

/// What a pod's name says of its owner.
fn guessed(pod: &str) -> PodDetails {
    let owner = Owner { kind: Arc::default(), name: owner_of_pod(pod).into() };
    PodDetails { owner: Some(owner), owner_basis: OwnerBasis::PodName, ..PodDetails::default() }
}

fn is_dns_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> String {
        format!("{n:02x}").repeat(Container::ID_DIGITS / 2)
    }

    fn parsed(names: &str) -> Option<(String, String, String)> {
        let (found, pod) = parse(&format!("{names}-{}.log", id(0xa5)))?;
        assert_eq!(*found, *id(0xa5));
        Some((pod.namespace.to_string(), pod.name.to_string(), pod.container.to_string()))
    }

    #[test]
    fn names_as_the_kubelet_makes_them() {
        for (names, namespace, pod, container) in [
            ("web-7c5ddbdf54-x2k9p_shop_nginx", "shop", "web-7c5ddbdf54-x2k9p", "nginx"),
            (
                "kube-apiserver-node1_kube-system_kube-apiserver",
                "kube-system",
                "kube-apiserver-node1",
                "kube-apiserver",
            ),
            ("etcd-node.example.org_kube-system_etcd", "kube-system", "etcd-node.example.org", "etcd"),
            ("0_a_b-c-d", "a", "0", "b-c-d"),
        ] {
            assert_eq!(parsed(names), Some((namespace.into(), pod.into(), container.into())));
        }
    }

    #[test]
    fn anything_else_is_no_name() {
        for names in ["", "_", "__", "a_b", "a_b_", "_b_c", "a__c", "a_b_c_d", "A_b_c", "a_b/c_d", "a_b c_d", "ä_b_c"]
        {
            assert_eq!(parsed(names), None, "{names}");
        }
        let good = format!("a_b_c-{}.log", id(1));
        assert!(parse(&good).is_some());
        for bad in [
            String::new(),
            ".log".into(),
            "-.log".into(),
            good.replace(".log", ""),
            good.replace(".log", ".log.1"),
            good.replacen("01", "1", 1),
            good.replacen("01", "0G", 1),
            good.replacen("01", "0A", 1),
            format!("{}_b_c-{}.log", "a".repeat(254), id(1)),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }

    fn ids(event: Option<Fact>) -> Option<Vec<String>> {
        let Some(Fact::Pods(_, pods)) = event else { return None };
        let mut ids: Vec<_> = pods.into_keys().map(String::from).collect();
        ids.sort();
        Some(ids)
    }

    #[test]
    fn the_folder_is_read_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("containers");
        let link = |n| folder.join(format!("p_n_c-{}.log", id(n)));
        let mut pods = Pods::of(&folder);
        assert_eq!(pods.poll(), None, "not there");
        fs::create_dir(&folder).unwrap();
        assert_eq!(pods.poll(), None, "empty");
        std::os::unix::fs::symlink("/nowhere", link(1)).unwrap();
        fs::write(folder.join("garbage"), "").unwrap();
        let until = Instant::now() + 3 * MAX_TIMESTAMP_STEP;
        let mut next = || loop {
            if let Some(event) = pods.poll() {
                return ids(Some(event));
            }
            assert!(Instant::now() < until, "not seen");
        };
        assert_eq!(next(), Some(vec![id(1)]));
        fs::write(link(2), "").unwrap();
        assert_eq!(next(), Some(vec![id(1), id(2)]));
        fs::remove_file(link(1)).unwrap();
        assert_eq!(next(), Some(vec![id(2)]));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(next(), Some(vec![]));
    }
}
