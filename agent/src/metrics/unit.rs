//! The systemd unit, the container or the workload of a process of this host, by one name each.

use std::sync::Arc;

use pidflow_schema::{Container, Process, ProcessEnd};

/// Number of digits shown of a container id, as in container tools.
const SHORT_ID_DIGITS: usize = 12;

/// The shown part of a container id.
pub(crate) fn short_id(id: &str) -> &str {
    id.get(..SHORT_ID_DIGITS).unwrap_or(id)
}

/// What runs a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A systemd unit.
    Unit,
    /// A container in no known pod.
    Container,
    /// A pod.
    Pod,
}

impl Kind {
    /// The label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Pod => "pod",
        }
    }
}

/// A unit, container or workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Unit {
    pub(crate) kind: Kind,
    /// Of a pod its namespace, of a container its project of Compose; empty: none.
    group: Arc<str>,
    /// Of a unit its name as systemctl has it, of a container its service of Compose, else its name, else its id; of a pod its topmost
    /// owner.
    name: Arc<str>,
}

impl Unit {
    /// None: no process is known, or it is in none of them.
    pub(crate) fn of(end: &ProcessEnd) -> Option<Self> {
        let process = end.process.as_deref()?;
        let placement = &process.placement;
        if let Some(pod) = process.pod.as_deref() {
            let owner = pod.owner().map_or(&pod.name, |owner| &owner.name);
            return Some(Self { kind: Kind::Pod, group: Arc::clone(&pod.namespace), name: Arc::clone(owner) });
        }
        if !placement.container_id.is_empty() {
            return Some(Self::of_container(process));
        }
        let name = if placement.user_unit.is_empty() { &placement.unit } else { &placement.user_unit };
        (!name.is_empty()).then(|| Self { kind: Kind::Unit, group: Arc::default(), name: Arc::clone(name) })
    }

    /// The container that the process is in.
    pub(super) fn of_container(process: &Process) -> Self {
        let (group, name) = process.container.as_deref().and_then(names).unwrap_or_default();
        let name = if name.is_empty() { Arc::clone(&process.placement.container_id) } else { name };
        Self { kind: Kind::Container, group, name }
    }

    /// `GROUP/NAME` or `NAME`; the first digits of an id.
    pub(crate) fn label(&self) -> String {
        match (&*self.group, self.kind) {
            ("", Kind::Container) if Container::is_id(&self.name) => short_id(&self.name).to_owned(),
            ("", _) => self.name.to_string(),
            (group, _) => format!("{group}/{}", self.name),
        }
    }
}

/// Project and service of Compose, or only the name; none: the engine has no name for it.
fn names(container: &Container) -> Option<(Arc<str>, Arc<str>)> {
    let Container { name, image: _, compose_project, compose_service } = container;
    if !compose_service.is_empty() {
        return Some((Arc::clone(compose_project), Arc::clone(compose_service)));
    }
    (!name.is_empty()).then(|| (Arc::default(), Arc::clone(name)))
}

#[cfg(test)]
mod tests {
    use pidflow_schema::{Attribution, Placement, Pod};

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(process: Process) -> Option<(&'static str, String)> {
        let end = ProcessEnd { process: Some(Arc::new(process)), ..ProcessEnd::unknown(Attribution::SocketEvent) };
        Unit::of(&end).map(|unit| (unit.kind.name(), unit.label()))
    }

    #[test]
    fn a_process_is_named_by_what_runs_it() {
        let placed = |unit: &str, user_unit: &str, id: &str| Process {
            placement: Placement {
                unit: unit.into(),
                user_unit: user_unit.into(),
                container_id: id.into(),
                ..Placement::default()
            },
            ..Process::default()
        };
        let named = |texts: [&str; 3]| {
            let [name, compose_project, compose_service] = texts.map(Into::into);
            let container = Container { name, compose_project, compose_service, image: "nginx".into() };
            Process { container: Some(Arc::new(container)), ..placed("docker-x.scope", "", ID) }
        };
        assert_eq!(of(Process::default()), None);
        assert_eq!(of(placed("nginx.service", "", "")), Some(("unit", "nginx.service".into())));
        assert_eq!(of(placed("user@7.service", "browser.service", "")), Some(("unit", "browser.service".into())));
        assert_eq!(of(placed("docker-x.scope", "", ID)), Some(("container", "0123456789ab".into())));
        assert_eq!(of(named(["db", "", ""])), Some(("container", "db".into())));
        assert_eq!(of(named(["shop-web-1", "shop", "web"])), Some(("container", "shop/web".into())));
        assert_eq!(of(named(["", "", ""])), Some(("container", "0123456789ab".into())));
        let pod = Pod { namespace: "shop".into(), name: "web-1".into(), ..Pod::default() };
        let in_pod = Process { pod: Some(Arc::new(pod)), ..named(["k8s_web", "", ""]) };
        assert_eq!(of(in_pod), Some(("pod", "shop/web-1".into())));
        assert_eq!(Unit::of(&ProcessEnd::unknown(Attribution::Remote)), None);
    }
}
