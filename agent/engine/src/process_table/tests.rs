use super::ProcessTable;
use crate::event::{ProcessId, Sample, Task};

fn task(pid: u32, start: u64, comm: &str) -> Task {
    Task { id: ProcessId { pid, start }, start_ns: start * 10_000_000, uid: 0, comm: comm.into() }
}

#[test]
fn the_chain_survives_the_parents() {
    let mut t = ProcessTable::default();
    let (init, sh, child) = (task(1, 0, "init"), task(10, 5, "sh"), task(11, 6, "curl"));
    t.forked(50, &sh, &init);
    t.forked(60, &child, &sh);
    t.exited(&sh, 1, Sample { time_ns: 70, ..Sample::default() });
    t.expire(1_000);
    let p = t.describe(child.id, 80).unwrap();
    assert_eq!((p.parent_pid, &*p.parent_name, &*p.ancestors), (10, "sh", "sh(10)<init(1)"));
    t.exited(&child, 10, Sample { time_ns: 90, ..Sample::default() });
    t.expire(1_000);
    assert_eq!(t.len(), 1, "init lives");
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    let mut t = ProcessTable::default();
    t.seen(0, &task(10, 5, "old"), 1);
    t.seen(0, &task(10, 9, "new"), 1);
    assert_eq!(&*t.describe(ProcessId { pid: 10, start: 5 }, 0).unwrap().name, "old");
    assert_eq!(&*t.describe(ProcessId { pid: 10, start: 9 }, 0).unwrap().name, "new");
}

#[test]
fn the_program_is_the_one_of_the_time() {
    let mut t = ProcessTable::default();
    let me = task(10, 5, "sh");
    t.seen(100, &me, 1);
    t.execed(
        200,
        &Task { comm: "a-very-long-nam".into(), ..me.clone() },
        1,
        ("/usr/bin/a-very-long-name-indeed", "x y"),
    );
    assert_eq!(&*t.describe(me.id, 150).unwrap().name, "sh");
    let after = t.describe(me.id, 250).unwrap();
    assert_eq!((&*after.name, &*after.command_line), ("a-very-long-name-indeed", "x y"));
}

#[test]
fn a_parent_may_become_known_after_its_child() {
    let mut t = ProcessTable::default();
    t.seen(0, &task(10, 7, "child"), 20);
    t.seen(0, &task(20, 5, "parent"), 1);
    t.link_parents();
    assert_eq!(&*t.describe(ProcessId { pid: 10, start: 7 }, 0).unwrap().parent_name, "parent");
}

#[test]
fn users_have_names_or_numbers() {
    let mut t = ProcessTable::default();
    t.set_users([(0, "root".into())].into());
    t.seen(0, &task(1, 0, "init"), 0);
    t.seen(0, &Task { uid: 4242, ..task(2, 1, "x") }, 1);
    assert_eq!(&*t.describe(ProcessId { pid: 1, start: 0 }, 0).unwrap().user, "root");
    assert_eq!(&*t.describe(ProcessId { pid: 2, start: 1 }, 0).unwrap().user, "4242");
}
