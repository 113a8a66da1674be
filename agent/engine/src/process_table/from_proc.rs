//! Applies what /proc reports of a process.

use std::sync::Arc;

use pidflow_schema::Placement;

use super::entry::Image;
use super::limits::{MAX_CONTAINER_ID_BYTES, MAX_UNIT_BYTES, MAX_WORKLOAD_TEXT_BYTES};
use super::{Entry, ProcessTable};
use crate::fact::{ProcessId, ProcessSeen};

impl ProcessTable {
    /// Applies a description from /proc.
    pub fn described(&mut self, seen: &ProcessSeen) {
        let id = self.resolve(seen.task.id);
        if self.entries.get(&id).is_some_and(|e| e.exited_ns.is_some_and(|t| t < seen.time_ns)) {
            // The description is from after the exit, so it is of another process with the same PID.
            return;
        }
        self.seen(seen.time_ns, &seen.task, seen.parent_pid);
        let image = self.image_seen(id, seen);
        let placement = seen.placement.as_ref().map(|p| self.shared(p));
        self.change_if_new(id, |entry| {
            (entry.login, entry.inner_pid) = (seen.login, seen.inner_pid);
            if let Some(placement) = placement {
                (entry.placement, entry.is_placed) = (placement, true);
            }
            if let (Some(image), Some(last)) = (image, entry.images.last_mut()) {
                *last = image;
            }
        });
        self.learn_from(id);
    }

    /// The process's image completed from /proc; none: it has executed another program since, which events describe
    /// better.
    fn image_seen(&mut self, id: ProcessId, seen: &ProcessSeen) -> Option<Image> {
        let before = self.entries.get(&id)?.images.last().filter(|i| i.since_ns <= seen.time_ns).cloned()?;
        // During an exec, /proc shows the old image or none; the event is better then.
        let is_readable = !seen.executable.path.is_empty();
        let executable = if is_readable { &*seen.executable.path } else { &before.executable };
        let command_line = if seen.command_line.is_empty() { &before.command_line } else { &*seen.command_line };
        let new = self.image((before.since_ns, before.uid), &before.comm, executable, command_line);
        let is_deleted = if is_readable { seen.executable.is_deleted } else { before.is_deleted };
        let copied_ns = before.copied_ns.filter(|_| !is_readable);
        let service_name = match &*seen.service_name {
            "" => before.service_name,
            name => self.texts.share(name, MAX_WORKLOAD_TEXT_BYTES),
        };
        Some(Image { real_uid: seen.real_uid, is_deleted, copied_ns, service_name, ..new })
    }

    fn shared(&mut self, p: &Placement) -> Placement {
        let mut unit = |name: &Arc<str>| self.texts.share(name, MAX_UNIT_BYTES);
        let (unit_name, user_unit, slice) = (unit(&p.unit), unit(&p.user_unit), unit(&p.slice));
        Placement {
            container_id: self.texts.share(&p.container_id, MAX_CONTAINER_ID_BYTES),
            container_runtime: self.texts.share(&p.container_runtime, MAX_CONTAINER_ID_BYTES),
            unit: unit_name,
            user_unit,
            slice,
        }
    }

    /// Like [`ProcessTable::change`], but without a new description if nothing has changed.
    fn change_if_new(&mut self, id: ProcessId, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let state = |e: &Entry| (e.login, e.inner_pid, e.placement.clone(), e.images.last().cloned());
        let before = state(entry);
        change(entry);
        if state(entry) != before {
            self.change(id, |_| ());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fact::{Executable, Task};

    pub(in super::super) fn task(pid: u32, comm: &str) -> Task {
        Task { id: ProcessId::from_ticks(pid, 0), start_ns: 0, uid: 0, comm: comm.into() }
    }

    pub(in super::super) fn at(
        time_ns: u64,
        parent_pid: u32,
        task: &Task,
        placement: Option<Placement>,
    ) -> ProcessSeen {
        ProcessSeen {
            time_ns,
            task: task.clone(),
            parent_pid,
            real_uid: None,
            login: None,
            inner_pid: None,
            executable: Executable::default(),
            command_line: "".into(),
            placement,
            service_name: "".into(),
        }
    }

    pub(in super::super) fn seen(time_ns: u64, task: &Task, placement: Option<Placement>) -> ProcessSeen {
        at(time_ns, 1, task, placement)
    }

    fn program(path: &str) -> Executable {
        Executable { path: path.into(), is_deleted: false }
    }

    #[test]
    fn the_real_user_is_unknown_once_it_may_have_changed() {
        let mut t = ProcessTable::default();
        let user = |uid, comm: &str| Task { uid, ..task(10, comm) };
        let real = |t: &mut ProcessTable, time| t.describe(task(10, "").id, time, time).unwrap().real_uid;
        let read = |uid, real, time| ProcessSeen { real_uid: Some(real), ..seen(time, &user(uid, "sh"), None) };
        t.described(&read(1000, 1000, 10));
        t.execed(20, &user(1000, "curl"), 1, (&program("/bin/curl"), "curl"));
        assert_eq!(real(&mut t, 30), Some(1000), "exec does not change it");
        t.execed(40, &user(0, "su"), 1, (&program("/bin/su"), "su"));
        assert_eq!(real(&mut t, 50), None, "a program with the set-user-id bit, or setuid before exec");
        t.described(&read(0, 1000, 60));
        assert_eq!(real(&mut t, 70), Some(1000));
        t.execed(80, &user(0, "bash"), 1, (&program("/bin/bash"), "bash"));
        assert_eq!(real(&mut t, 90), None, "su became root for good, of which no event tells");
        assert_eq!(real(&mut t, 70), Some(1000), "as it was then");
        t.described(&read(0, 0, 100));
        let child = task(11, "sh");
        t.forked(110, &child, &user(0, "bash"));
        assert_eq!(t.describe(child.id, 120, 120).unwrap().real_uid, Some(0));
    }

    #[test]
    fn a_description_from_before_an_exec_does_not_describe_the_new_program() {
        let mut t = ProcessTable::default();
        let me = task(10, "sh");
        let old = Executable { path: "/bin/dash".into(), is_deleted: true };
        t.execed(100, &task(10, "curl"), 1, (&program("/usr/bin/curl"), "curl x"));
        t.described(&ProcessSeen { executable: old, command_line: "sh -c".into(), ..seen(90, &me, None) });
        let p = t.describe(me.id, 200, 200).unwrap();
        assert_eq!((&*p.executable, &*p.command_line, p.is_deleted), ("/usr/bin/curl", "curl x", false));
    }

    #[test]
    fn reading_the_same_again_makes_no_new_description() {
        let mut t = ProcessTable::default();
        let me = task(10, "sh");
        let unit = Placement { unit: "cron.service".into(), ..Placement::default() };
        let first = ProcessSeen { executable: program("/bin/sh"), ..seen(10, &me, Some(unit)) };
        t.described(&first);
        let before = t.describe(me.id, 50, 50).unwrap();
        t.described(&ProcessSeen { time_ns: 20, placement: None, executable: Executable::default(), ..first.clone() });
        assert!(Arc::ptr_eq(&before, &t.describe(me.id, 50, 50).unwrap()), "not readable is no change");
        let deleted = Executable { is_deleted: true, ..program("/bin/sh") };
        t.described(&ProcessSeen { time_ns: 30, executable: deleted, ..first });
        assert!(t.describe(me.id, 50, 50).unwrap().is_deleted, "an upgrade has replaced it");
    }

    #[test]
    fn names_of_units_are_bounded() {
        let mut t = ProcessTable::default();
        let long: Arc<str> = "ü".repeat(100_000).into();
        let [container_id, container_runtime, unit, user_unit, slice] = std::array::from_fn(|_| Arc::clone(&long));
        let placement = Placement { container_id, container_runtime, unit, user_unit, slice };
        t.described(&seen(10, &task(10, "sh"), Some(placement)));
        let p = t.describe(task(10, "").id, 20, 20).unwrap();
        let lengths = [&p.placement.container_id, &p.placement.unit, &p.placement.user_unit, &p.placement.slice];
        assert_eq!(lengths.map(|t| t.len()), [MAX_CONTAINER_ID_BYTES, MAX_UNIT_BYTES, MAX_UNIT_BYTES, MAX_UNIT_BYTES]);
    }
}
