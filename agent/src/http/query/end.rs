//! What is asked of the process at one end of a flow.

use pidflow_schema::Process;

use super::{Name, Pid};

/// All of it must hold for the same process; what is none holds for any.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct End<'a> {
    /// Its name.
    pub(in crate::http) process: Option<&'a Name>,
    /// Its number.
    pub(in crate::http) pid: Option<Pid>,
    /// Its user's name or number.
    pub(in crate::http) user: Option<&'a Name>,
    /// How its container's id begins.
    pub(in crate::http) container: Option<&'a Name>,
    /// Its pod's namespace.
    pub(in crate::http) namespace: Option<&'a Name>,
    /// Its pod's name.
    pub(in crate::http) pod: Option<&'a Name>,
}

impl End<'_> {
    /// Whether nothing is asked.
    pub(in crate::http) const fn is_any(self) -> bool {
        self.process.is_none()
            && self.pid.is_none()
            && self.user.is_none()
            && self.container.is_none()
            && self.namespace.is_none()
            && self.pod.is_none()
    }

    /// Whether the process is as asked.
    pub(in crate::http) fn is(self, p: &Process) -> bool {
        self.process.is_none_or(|name| *name.0 == *p.name)
            && self.pid.is_none_or(|pid| pid.0 == p.pid)
            && self.user.is_none_or(|user| *user.0 == *p.user || user.0 == p.uid.to_string())
            && self.container.is_none_or(|id| p.container_id.starts_with(&id.0))
            && self.namespace.is_none_or(|name| p.pod.as_ref().is_some_and(|pod| *name.0 == *pod.namespace))
            && self.pod.is_none_or(|name| p.pod.as_ref().is_some_and(|pod| *name.0 == *pod.name))
    }
}
