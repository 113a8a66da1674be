//! Conditions on a process.

use pidflow_schema::{Process, ProcessEnd};

/// Conditions that must all hold for the same process; an absent one always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProcessFilter {
    /// Its name, in full.
    pub(crate) name: Option<String>,
    /// Its number.
    pub(crate) pid: Option<u32>,
    /// Its user's name or number.
    pub(crate) user: Option<String>,
    /// The beginning of its container's id.
    pub(crate) container: Option<String>,
    /// The namespace of its pod.
    pub(crate) namespace: Option<String>,
    /// The name of its pod, in full.
    pub(crate) pod: Option<String>,
}

impl ProcessFilter {
    /// Whether it has no condition.
    pub(crate) const fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.pid.is_none()
            && self.user.is_none()
            && self.container.is_none()
            && self.namespace.is_none()
            && self.pod.is_none()
    }

    /// Whether the process meets every condition.
    pub(crate) fn matches(&self, p: &Process) -> bool {
        let pod = p.pod.as_deref();
        self.name.as_ref().is_none_or(|name| **name == *p.name)
            && self.pid.is_none_or(|pid| pid == p.pid)
            && self.user.as_ref().is_none_or(|user| **user == *p.user || *user == p.uid.to_string())
            && self.container.as_ref().is_none_or(|id| p.placement.container_id.starts_with(id))
            && self.namespace.as_ref().is_none_or(|name| pod.is_some_and(|pod| **name == *pod.namespace))
            && self.pod.as_ref().is_none_or(|name| pod.is_some_and(|pod| **name == *pod.name))
    }

    /// Whether there is a process at this end that meets every condition.
    pub(super) fn matches_end(&self, end: &ProcessEnd) -> bool {
        end.process.as_ref().is_some_and(|p| self.matches(p))
    }
}
