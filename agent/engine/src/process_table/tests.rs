use std::collections::HashMap;
use std::sync::Arc;

use pidflow_schema::Pod;

use super::ProcessTable;
use crate::fact::{ProcessId, ProcessSeen, Sample, Task};
use crate::process_table::Usage;

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

fn sample(s: u64, cpu_ns: u64) -> Sample {
    Sample { time_ns: s * 1_000_000_000, cpu_ns: Some(cpu_ns), rss: Some(4096), ..Sample::default() }
}

fn told(t: &mut ProcessTable) -> Vec<Usage> {
    let mut told = Vec::new();
    t.tell_usage(|u| told.push(u.clone()));
    told
}

fn with_flow(t: &mut ProcessTable, id: ProcessId) {
    let process = t.describe(id, u64::MAX).unwrap();
    t.has_flow(id, &process);
}

#[test]
fn usage_is_told_once_of_those_with_flows() {
    let mut t = ProcessTable::default();
    let (young, quiet) = (task(10, 100, "young"), task(11, 100, "quiet"));
    for task in [&young, &quiet] {
        t.seen(1_000_000_000, task, 1);
        t.sampled(task.id, sample(2, 500));
    }
    assert_eq!(told(&mut t), []);
    with_flow(&mut t, young.id);
    assert_eq!(told(&mut t).iter().map(|u| (u.process.pid, u.cpu_ns)).collect::<Vec<_>>(), [(10, 500)]);
    t.sampled(young.id, sample(3, 700));
    assert_eq!(told(&mut t)[0].cpu_ns, 200);
    assert_eq!((told(&mut t)[0].cpu_ns, told(&mut t)[0].iowait_ns), (0, None), "unknown is absent");
    t.exited(&young, 1, sample(4, 900));
    assert_eq!(told(&mut t).iter().map(|u| (u.cpu_ns, u.has_ended)).collect::<Vec<_>>(), [(200, true)]);
    assert_eq!(told(&mut t), []);
    with_flow(&mut t, young.id);
    assert_eq!(told(&mut t)[0].cpu_ns, 0, "a late flow tells nothing twice");
}

#[test]
fn what_was_used_before_anyone_looked_is_not_told() {
    let mut t = ProcessTable::default();
    let old = task(10, 100, "old");
    t.seen(500_000_000_000, &old, 1);
    t.sampled(old.id, sample(500, 1_000_000));
    t.sampled(old.id, sample(501, 1_000_300));
    with_flow(&mut t, old.id);
    assert_eq!(told(&mut t)[0].cpu_ns, 300);
}

#[test]
fn a_pod_is_known_from_the_link_on_and_while_its_container_is() {
    let mut t = ProcessTable::default();
    let (parent, child) = (task(10, 5, "sh"), task(11, 6, "web"));
    let seen = ProcessSeen {
        time_ns: 10,
        task: parent.clone(),
        parent_pid: 1,
        executable: "".into(),
        command_line: "".into(),
        container_id: "c1".into(),
    };
    t.described(&seen);
    t.forked(20, &child, &parent);
    let pod = |t: &ProcessTable| t.describe(child.id, 30).unwrap().pod.clone();
    assert_eq!(pod(&t), None);
    let named = Arc::new(Pod { namespace: "shop".into(), name: "web-0".into(), container: "web".into() });
    t.set_pods(&HashMap::from([("c1".into(), Arc::clone(&named)), ("c2".into(), Arc::default())]));
    assert_eq!(pod(&t), Some(Arc::clone(&named)), "the child's too");
    t.set_pods(&HashMap::new());
    assert_eq!((pod(&t), t.pods.len()), (Some(named), 1), "its flows may still be joined");
    for task in [&child, &parent] {
        t.exited(task, 1, Sample { time_ns: 40, ..Sample::default() });
    }
    t.expire(1_000);
    t.set_pods(&HashMap::new());
    assert!(t.pods.is_empty());
}
