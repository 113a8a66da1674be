//! What a forked process inherits from its parent until /proc is read.
//!
//! A process starts in its parent's control group, and most stay there. Service managers and container runtimes move
//! their children before these run their own program; such a process may exit before /proc is read, and would be
//! reported as a part of the manager. Such groups are learned: once a process is seen in another group than its parent,
//! children of processes in the parent's group inherit no group.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use pidflow_schema::{Login, Placement};

use super::{Entry, ProcessTable};
use crate::fact::ProcessId;

/// The greatest number of groups kept. When it is reached, nothing is inherited until some are no longer in use.
const MAX_MOVERS: usize = 1024;
/// The unit of a service manager itself (systemd, `SPECIAL_INIT_SCOPE`).
const MANAGER: &str = "init.scope";

/// The control groups whose processes have children in other ones.
#[derive(Debug, Default)]
pub(super) struct Movers(HashSet<Placement, RandomState>);

impl Movers {
    fn has(&self, group: &Placement) -> bool {
        let is_manager = *group.unit == *MANAGER || *group.user_unit == *MANAGER;
        is_manager || self.0.len() >= MAX_MOVERS || self.0.contains(group)
    }

    fn add(&mut self, group: Placement) {
        if self.0.len() < MAX_MOVERS {
            self.0.insert(group);
        }
    }
}

/// What a child inherits from its parent.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    placement: Placement,
    login: Option<Login>,
}

impl Entry {
    /// Inherits from the parent, unless its own placement is known.
    pub(super) fn inherit(&mut self, from: Inherited) {
        if !self.is_placed {
            (self.placement, self.login) = (from.placement, from.login);
        }
    }
}

impl ProcessTable {
    pub(super) fn inherited_from(&self, parent: &Entry) -> Inherited {
        let moves = self.movers.has(&parent.placement);
        let placement = if moves { Placement::default() } else { parent.placement.clone() };
        Inherited { placement, login: parent.login }
    }

    /// Notes the parent's group if a process is in another group than its parent.
    pub(super) fn learn_from(&mut self, child: ProcessId) {
        let Some(entry) = self.entries.get(&child) else { return };
        let Some(parent) = entry.parent.and_then(|id| self.entries.get(&id)) else { return };
        if entry.is_placed && parent.is_placed && entry.placement != parent.placement {
            self.movers.add(parent.placement.clone());
        }
    }

    /// Forgets groups without known processes.
    pub(super) fn forget_movers(&mut self) {
        if self.movers.0.len() < MAX_MOVERS / 2 {
            return;
        }
        let held: HashSet<&Placement> = self.entries.values().map(|e| &e.placement).collect();
        self.movers.0.retain(|group| held.contains(group));
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_proc::tests::{at, seen, task};
    use super::*;
    use crate::fact::Sample;

    fn unit(t: &mut ProcessTable, pid: u32) -> (String, String) {
        let p = t.describe(task(pid, "").id, 1_000, 1_000).unwrap();
        (p.placement.unit.to_string(), p.placement.container_id.to_string())
    }

    fn group(unit: &str, container: &str) -> Placement {
        Placement { unit: unit.into(), container_id: container.into(), ..Placement::default() }
    }

    /// A shell in a container runs programs that live for a millisecond.
    #[test]
    fn children_are_where_their_parent_is() {
        let mut t = ProcessTable::default();
        let (shell, curl) = (task(10, "sh"), task(11, "curl"));
        let login = Some(Login { uid: 1000, session: 3 });
        let placed = seen(10, &shell, Some(group("docker-c1.scope", "c1")));
        t.described(&crate::fact::ProcessSeen { login, inner_pid: Some(1), ..placed });
        t.forked(20, &curl, &shell);
        assert_eq!(unit(&mut t, 11), ("docker-c1.scope".into(), "c1".into()));
        let p = t.describe(curl.id, 30, 30).unwrap();
        assert_eq!((p.login, p.inner_pid), (login, None), "the number in the container is its own");
    }

    /// The health check of a container exits before /proc is read. It must not be reported as a part of the runtime's
    /// service.
    #[test]
    fn what_a_runtime_starts_is_not_in_the_runtimes_unit() {
        let mut t = ProcessTable::default();
        let (containerd, shim, server) = (task(10, "containerd"), task(11, "shim"), task(12, "server"));
        t.described(&seen(10, &containerd, Some(group("containerd.service", ""))));
        t.forked(20, &shim, &containerd);
        assert_eq!(unit(&mut t, 11).0, "containerd.service");
        t.described(&seen(21, &shim, Some(group("containerd.service", ""))));
        t.forked(30, &server, &shim);
        t.described(&seen(40, &server, Some(group("docker-c1.scope", "c1"))));
        let (runc, check) = (task(13, "runc"), task(14, "check"));
        t.forked(50, &runc, &shim);
        t.forked(60, &check, &runc);
        t.exited(&check, 13, Sample { time_ns: 61, ..Sample::default() });
        assert_eq!(
            [unit(&mut t, 13), unit(&mut t, 14)],
            [(String::new(), String::new()), (String::new(), String::new())]
        );
        t.described(&seen(70, &runc, Some(group("containerd.service", ""))));
        assert_eq!(unit(&mut t, 13).0, "containerd.service", "its own is read");
        t.forked(80, &task(15, "worker"), &server);
        assert_eq!(unit(&mut t, 15).1, "c1", "within the container it stays");
    }

    #[test]
    fn children_of_service_managers_inherit_nothing_from_the_start() {
        for manager in
            [group("init.scope", ""), Placement { user_unit: "init.scope".into(), ..group("user@1.service", "") }]
        {
            let mut t = ProcessTable::default();
            t.described(&seen(10, &task(1, "systemd"), Some(manager)));
            t.forked(20, &task(2, "(job)"), &task(1, "systemd"));
            assert_eq!(unit(&mut t, 2), (String::new(), String::new()));
        }
    }

    /// /proc is not in order of descent, and a fork may be reported after the child was read.
    #[test]
    fn what_was_read_is_not_replaced_by_what_is_inherited() {
        let mut t = ProcessTable::default();
        let (sshd, session) = (task(10, "sshd"), task(11, "sshd"));
        t.described(&at(11, 10, &session, Some(group("session-3.scope", ""))));
        t.described(&at(11, 1, &sshd, Some(group("ssh.service", ""))));
        t.forked(5, &session, &sshd);
        assert_eq!(unit(&mut t, 11).0, "session-3.scope");
        t.link_parents();
        t.forked(20, &task(12, "sshd"), &sshd);
        assert_eq!(unit(&mut t, 12).0, "", "sshd moves its children");
    }

    #[test]
    fn the_memory_of_movers_is_bounded() {
        let mut t = ProcessTable::default();
        for n in 0..2_000 {
            let (parent, child) = (task(10 + 2 * n, "p"), task(11 + 2 * n, "c"));
            t.described(&seen(10, &parent, Some(group(&format!("a{n}.service"), ""))));
            t.described(&at(10, parent.id.pid, &child, Some(group(&format!("b{n}.service"), ""))));
            for task in [child, parent] {
                t.exited(&task, 1, Sample { time_ns: 20, ..Sample::default() });
            }
        }
        assert_eq!(t.movers.0.len(), MAX_MOVERS);
        t.described(&seen(30, &task(5_000, "sh"), Some(group("cron.service", ""))));
        t.forked(40, &task(5_001, "job"), &task(5_000, "sh"));
        assert_eq!(unit(&mut t, 5_001).0, "", "unknown rather than wrong");
        t.expire(1_000);
        assert!(t.movers.0.is_empty());
        t.forked(50, &task(5_002, "job"), &task(5_000, "sh"));
        assert_eq!(unit(&mut t, 5_002).0, "cron.service");
    }
}
