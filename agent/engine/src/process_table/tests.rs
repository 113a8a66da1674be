use std::collections::HashMap;
use std::sync::Arc;

use pidflow_schema::{Placement, Pod};

use super::ProcessTable;
use super::limits::{DEFAULT_COMMAND_LINE_BYTES, MAX_PROCESS_BYTES};
use crate::fact::{Executable, Lost, PodSource, ProcessId, ProcessSeen, Sample, Task};
use crate::process_table::Usage;

fn task(pid: u32, start: u64, comm: &str) -> Task {
    Task { id: ProcessId::from_ticks(pid, start), start_ns: start * 10_000_000, uid: 0, comm: comm.into() }
}

fn program(path: &str) -> Executable {
    Executable { path: path.into(), is_deleted: false }
}

#[test]
fn the_chain_survives_the_parents() {
    let mut t = ProcessTable::default();
    let (init, sh, child) = (task(1, 0, "init"), task(10, 5, "sh"), task(11, 6, "curl"));
    t.forked(50, &sh, &init);
    t.forked(60, &child, &sh);
    t.exited(&sh, 1, Sample { time_ns: 70, ..Sample::default() });
    t.expire(1_000);
    let p = t.describe(child.id, 80, 80).unwrap();
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
    assert_eq!(&*t.describe(ProcessId::from_ticks(10, 5), 0, 0).unwrap().name, "old");
    assert_eq!(&*t.describe(ProcessId::from_ticks(10, 9), 0, 0).unwrap().name, "new");
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
        (&program("/usr/bin/a-very-long-name-indeed"), "x y"),
    );
    assert_eq!(&*t.describe(me.id, 150, 150).unwrap().name, "sh");
    let after = t.describe(me.id, 250, 250).unwrap();
    assert_eq!((&*after.name, &*after.command_line), ("a-very-long-name-indeed", "x y"));
}

#[test]
fn a_process_that_nothing_has_shown_since_its_fork_changed_its_name_right_after_it() {
    const MS: u64 = 1_000_000;
    let mut t = ProcessTable::default();
    let (parent, child) = (task(10, 5, "sh"), task(11, 6, "sh"));
    t.forked(50 * MS, &child, &parent);
    t.seen(90 * MS, &task(11, 6, "server"), 10);
    t.seen(200 * MS, &task(11, 6, "worker"), 10);
    let mut name = |ms: u64| t.describe(child.id, ms * MS, ms * MS).unwrap().name.clone();
    assert_eq!([60, 180, 198, 250].map(|ms| name(ms).to_string()), ["server", "server", "worker", "worker"]);
}

#[test]
fn a_parent_may_become_known_after_its_child() {
    let mut t = ProcessTable::default();
    t.seen(0, &task(10, 7, "child"), 20);
    t.seen(0, &task(20, 5, "parent"), 1);
    t.link_parents();
    assert_eq!(&*t.describe(ProcessId::from_ticks(10, 7), 0, 0).unwrap().parent_name, "parent");
}

#[test]
fn users_have_names_or_numbers() {
    let mut t = ProcessTable::default();
    t.set_users(&[(0, "root".into())].into());
    t.seen(0, &task(1, 0, "init"), 0);
    t.seen(0, &Task { uid: 4242, ..task(2, 1, "x") }, 1);
    assert_eq!(&*t.describe(ProcessId::from_ticks(1, 0), 0, 0).unwrap().user, "root");
    assert_eq!(&*t.describe(ProcessId::from_ticks(2, 1), 0, 0).unwrap().user, "4242");
}

fn sample(s: u64, cpu_ns: u64) -> Sample {
    Sample { time_ns: s * 1_000_000_000, cpu_ns: Some(cpu_ns), rss: Some(4096), ..Sample::default() }
}

fn told(t: &mut ProcessTable) -> Vec<Usage> {
    let mut told = Vec::new();
    t.report_usage(|u| told.push(u.clone()));
    told
}

fn with_flow(t: &mut ProcessTable, id: ProcessId) {
    let process = t.describe(id, u64::MAX, u64::MAX).unwrap();
    t.has_flow(id, &process);
}

#[test]
fn usage_is_reported_once_for_processes_with_flows() {
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
fn usage_before_the_first_sight_is_not_reported() {
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
    let placement = Placement { container_id: "c1".into(), ..Placement::default() };
    let seen = ProcessSeen { placement: Some(placement), ..seen(10, parent.clone(), "", "") };
    t.described(&seen);
    t.forked(20, &child, &parent);
    let pod = |t: &mut ProcessTable| t.describe(child.id, 30, 30).unwrap().pod.clone();
    assert_eq!(pod(&mut t), None);
    let named =
        Arc::new(Pod { namespace: "shop".into(), name: "web-0".into(), container: "web".into(), details: None });
    t.set_pods(PodSource::Links, &HashMap::from([("c1".into(), Arc::clone(&named)), ("c2".into(), Arc::default())]));
    assert_eq!(pod(&mut t), Some(Arc::clone(&named)), "the child's too");
    t.set_pods(PodSource::Links, &HashMap::new());
    assert_eq!((pod(&mut t), t.linked_pods.len()), (Some(named), 1), "its flows may still be joined");
    for task in [&child, &parent] {
        t.exited(task, 1, Sample { time_ns: 40, ..Sample::default() });
    }
    t.expire(1_000);
    t.set_pods(PodSource::Links, &HashMap::new());
    assert!(t.linked_pods.is_empty());
}

#[test]
fn a_pid_that_comes_back_within_a_tick_is_another_process() {
    let mut t = ProcessTable::default();
    let born = |ns: u64, comm: &str| Task { id: ProcessId::from_boot_ns(10, ns), start_ns: ns, ..task(10, 5, comm) };
    let (one, two) = (born(50_000_001, "one"), born(50_900_000, "two"));
    assert!(one.id.is_same_in_proc(two.id) && one.id != two.id);
    t.seen(1, &one, 1);
    t.exited(&one, 1, Sample { time_ns: 2, ..Sample::default() });
    t.seen(3, &two, 1);
    let name = |t: &ProcessTable, id| t.name(id, 10).unwrap().to_string();
    assert_eq!((name(&t, one.id), name(&t, two.id)), ("one".into(), "two".into()));
    let from_proc = ProcessId::from_ticks(10, 5);
    assert_eq!(t.resolve(from_proc), two.id, "/proc shows the latest");
    t.sampled(from_proc, sample(1, 5));
    assert!(t.usage(one.id, 0, u64::MAX).is_some_and(|u| u.cpu_time_ns.is_none()), "not the first one's");
}

#[test]
fn a_process_of_the_snapshot_is_the_one_that_events_name_and_no_other() {
    let mut t = ProcessTable::default();
    t.seen(1, &task(10, 5, "old"), 1);
    let (same, other) = (ProcessId::from_boot_ns(10, 50_000_001), ProcessId::from_boot_ns(10, 50_000_002));
    let known = t.seen(2, &Task { id: same, ..task(10, 5, "old") }, 1);
    assert_eq!((known, t.len()), (ProcessId::from_ticks(10, 5), 1));
    let second = t.seen(3, &Task { id: other, ..task(10, 5, "new") }, 1);
    assert_eq!((second, t.len()), (other, 2));
    assert_eq!((&*t.name(known, 9).unwrap(), &*t.name(second, 9).unwrap()), ("old", "new"));
}

#[test]
fn a_description_after_the_end_is_of_another_process() {
    let mut t = ProcessTable::default();
    let me = task(10, 5, "me");
    t.exited(&me, 1, Sample { time_ns: 70, ..Sample::default() });
    t.described(&seen(80, Task { comm: "you".into(), ..me.clone() }, "/bin/you", "you"));
    assert_eq!(&*t.name(me.id, 90).unwrap(), "me");
}

/// A daemon forks twice. After the shell that started it exits, init is its parent.
#[test]
fn a_process_is_its_parents_child_until_that_one_ends() {
    let mut t = ProcessTable::default();
    let (init, shell, daemon) = (task(1, 1, "init"), task(10, 5, "sh"), task(11, 6, "daemon"));
    t.seen(10, &init, 0);
    t.forked(20, &shell, &init);
    t.forked(30, &daemon, &shell);
    t.exited(&shell, 1, Sample { time_ns: 100, ..Sample::default() });
    t.seen(500, &daemon, 1);
    let parent = |t: &mut ProcessTable, time| {
        let p = t.describe(daemon.id, time, time).unwrap();
        (p.parent_pid, p.parent_name.to_string(), p.ancestors.to_string())
    };
    let (before, after) = ((10, "sh".into(), "sh(10)<init(1)".into()), (1, "init".into(), "init(1)".into()));
    assert_eq!((parent(&mut t, 99), parent(&mut t, 100)), (before.clone(), after.clone()));
    t.seen(600, &daemon, 10);
    assert_eq!(parent(&mut t, 700), after, "told late by an attempt that began before");
    t.seen(700, &daemon, 0);
    assert_eq!(parent(&mut t, 800), after, "not known is no change");
    assert_eq!(parent(&mut t, 99), before);
    let over_both = t.describe(daemon.id, 99, 900).unwrap();
    assert_eq!(over_both.parent_pid, 10, "it ended its connections because its parent was ended");
    t.exited(&daemon, 1, Sample { time_ns: 900, ..Sample::default() });
    t.expire(1_000);
    assert_eq!(t.len(), 1, "init is nobody's parent any more, and lives on");
    t.exited(&init, 0, Sample { time_ns: 1_100, ..Sample::default() });
    t.expire(2_000);
    assert!(t.is_empty());
}

#[test]
fn a_subreaper_takes_children_with_an_exec_too() {
    let mut t = ProcessTable::default();
    let (reaper, shell, job) = (task(9, 4, "systemd"), task(10, 5, "sh"), task(11, 6, "job"));
    t.forked(20, &shell, &reaper);
    t.forked(30, &job, &shell);
    // The exit of the shell was not reported: the change happened at an unknown time in between.
    t.execed(20_000_000, &job, 9, (&program("/bin/job"), "job"));
    let parent = |t: &mut ProcessTable, time| t.describe(job.id, time, time).unwrap().parent_pid;
    assert_eq!((parent(&mut t, 40), parent(&mut t, 20_000_000)), (10, 9));
    let newer = task(12, 7, "newer");
    t.seen(21_000_000, &newer, 9);
    t.seen(22_000_000, &job, 12);
    assert_eq!(parent(&mut t, 23_000_000), 9, "a parent is older than its child");
}

fn seen(time_ns: u64, task: Task, executable: &str, command_line: &str) -> ProcessSeen {
    ProcessSeen {
        time_ns,
        task,
        parent_pid: 1,
        real_uid: None,
        login: None,
        inner_pid: None,
        executable: program(executable),
        command_line: command_line.into(),
        placement: None,
        service_name: "".into(),
    }
}

#[test]
fn a_process_is_described_once_until_something_changes() {
    let mut t = ProcessTable::default();
    let (parent, me) = (task(10, 5, "parent"), task(11, 6, "me"));
    t.forked(50, &me, &parent);
    let mut last = t.describe(me.id, 100, 100).unwrap();
    assert!(Arc::ptr_eq(&last, &t.describe(me.id, 900, 900).unwrap()));
    t.seen(60, &me, 10);
    t.sampled(me.id, sample(1, 5));
    assert!(Arc::ptr_eq(&last, &t.describe(me.id, 100, 100).unwrap()), "nothing of it has changed");
    let mut changed = |t: &mut ProcessTable, what: &str| {
        let now = t.describe(me.id, 1000, 1000).unwrap();
        assert!(!Arc::ptr_eq(&last, &now) && last != now, "{what}");
        last = now;
    };
    t.execed(200, &me, 10, (&program("/bin/me"), "me -x"));
    changed(&mut t, "exec");
    t.seen(210, &Task { comm: "other".into(), ..me.clone() }, 10);
    changed(&mut t, "prctl");
    t.seen(220, &Task { uid: 7, comm: "other".into(), ..me.clone() }, 10);
    changed(&mut t, "setuid");
    t.execed(230, &parent, 1, (&program("/bin/p2"), "p2"));
    t.seen(231, &Task { comm: "p2".into(), ..parent.clone() }, 1);
    changed(&mut t, "the parent");
    t.set_users(&[(7, "seven".into())].into());
    changed(&mut t, "users");
    assert_eq!(&*last.ancestors, "p2(10)");
    t.set_users(&[(7, "seven".into())].into());
    assert!(Arc::ptr_eq(&last, &t.describe(me.id, 1000, 1000).unwrap()), "the same users again");
}

#[test]
fn a_megabyte_of_arguments_is_four_kilobytes_and_there_once() {
    let mut t = ProcessTable::default();
    let long = "ä".repeat(500_000);
    let described: Vec<_> = (0..600)
        .map(|n| {
            let me = task(100 + n, 5, "long");
            t.described(&seen(1, me.clone(), &long, &long));
            t.describe(me.id, 2, 2).unwrap()
        })
        .collect();
    assert!(described.iter().all(|p| p.command_line.len() == DEFAULT_COMMAND_LINE_BYTES));
    assert!(described.iter().all(|p| Arc::ptr_eq(&p.command_line, &described[0].command_line)));
    assert!(t.bytes() < 1 << 20, "{} bytes", t.bytes());
    let (mut t, me) = (ProcessTable::default(), task(100, 5, "long"));
    t.limit_command_lines(10);
    t.execed(1, &me, 1, (&program("/bin/long"), &long));
    assert_eq!(&*t.describe(me.id, 2, 2).unwrap().command_line, "äääää");
}

#[test]
fn the_table_is_bounded_in_bytes_for_any_input() {
    let mut t = ProcessTable::default();
    for n in 0..60_000_u32 {
        let me = task(n + 2, 5, "noise");
        t.described(&seen(u64::from(n), me.clone(), "/bin/noise", &format!("{n} {}", "x".repeat(4000))));
        if n % 3 == 0 {
            t.exited(&me, 1, Sample { time_ns: u64::from(n), ..Sample::default() });
        }
    }
    assert!(t.bytes() < MAX_PROCESS_BYTES + 8192, "{} bytes", t.bytes());
    assert!(t.dropped() > 0);
    t.expire(0);
    assert!(!t.is_crowded() && t.len() > 5000, "{} bytes, {} processes", t.bytes(), t.len());
    let me = task(1_000_000, 9, "after");
    t.execed(1_000_000, &me, 1, (&program("/bin/after"), "after the flood"));
    assert_eq!(&*t.describe(me.id, 2_000_000, 2_000_000).unwrap().command_line, "after the flood");
}

/// A flow may still wait for a process that has just ended.
#[test]
fn processes_that_ended_last_stay_when_memory_is_short() {
    let mut t = ProcessTable::default();
    let mut n = 0_u32;
    while !t.is_crowded() {
        let me = task(n + 2, 5, "short");
        t.execed(u64::from(n), &me, 1, (&program("/bin/short"), &format!("{n}")));
        t.exited(&me, 1, Sample { time_ns: u64::from(n), ..Sample::default() });
        n += 1;
    }
    t.expire(0);
    assert!(!t.is_crowded() && t.dropped() > 0);
    let kept = u32::try_from(t.len()).unwrap();
    assert!(kept > n / 3, "{kept} of {n}");
    let mut is_kept = |n: u32| t.describe(task(n + 2, 5, "short").id, n.into(), n.into()).is_some();
    assert!((n - kept..n).all(&mut is_kept) && !is_kept(0));
}

#[test]
fn samples_are_thinned_before_processes_go() {
    let mut t = ProcessTable::default();
    for n in 0..3000_u32 {
        let me = task(n + 2, 5, "sampled");
        t.seen(1, &me, 1);
        (0..256).for_each(|s| t.sampled(me.id, sample(s, s)));
        if n % 500 == 0 {
            t.expire(0);
        }
    }
    t.expire(0);
    assert_eq!((t.len(), t.is_crowded(), t.dropped()), (3000, false, 0), "of 84 MB of samples");
    let usage = t.usage(ProcessId::from_ticks(2, 5), 10_000_000_000, 250_000_000_000).unwrap();
    assert!(usage.cpu_time_ns.is_some_and(|ns| ns > 0));
}

#[test]
fn users_and_pods_are_bounded() {
    let mut t = ProcessTable::default();
    let long: Arc<str> = "u".repeat(10_000).into();
    t.set_users(&(0..100_000).map(|uid| (uid, Arc::clone(&long))).collect());
    assert!(t.users.len() <= 65_536 && t.users.values().all(|u| u.len() == 256) && t.dropped() > 0);
    let pod = Arc::new(Pod { namespace: Arc::clone(&long), name: Arc::clone(&long), container: long, details: None });
    let before = t.dropped();
    t.set_pods(PodSource::Links, &(0..20_000).map(|n| (format!("{n:0200}").into(), Arc::clone(&pod))).collect());
    assert!(t.linked_pods.values().all(|p| p.name.len() + p.container.len() + p.namespace.len() == 3 * 256));
    assert!(t.linked_pods.keys().all(|id| id.len() == 128) && t.linked_pods.len() <= 16_384 && t.dropped() >= before);
}

#[test]
fn name_and_user_are_those_of_the_flows_time() {
    const MS: u64 = 1_000_000;
    let mut t = ProcessTable::default();
    let root = task(10, 5, "daemon");
    let named = Task { comm: "worker".into(), ..root.clone() };
    let user = Task { uid: 33, ..named.clone() };
    let child = task(11, 90, "child");
    t.seen(100 * MS, &root, 1);
    t.forked(150 * MS, &child, &root);
    t.seen(200 * MS, &root, 1);
    t.seen(900 * MS, &named, 1);
    t.seen(1900 * MS, &user, 1);
    t.seen(1000 * MS, &root, 1);
    let mut at = |id, ms: u64| {
        let p = t.describe(id, ms * MS, ms * MS).unwrap();
        (p.name.to_string(), p.uid, p.parent_name.to_string(), p.parent_uid)
    };
    let own = |name: &str, uid| (name.to_owned(), uid, String::new(), None);
    assert_eq!(at(root.id, 210), own("daemon", 0), "the last packets of its flow come after its last event");
    assert_eq!(at(root.id, 899), own("worker", 0), "a send is told after its packet");
    assert_eq!(at(root.id, 1500), own("worker", 0));
    assert_eq!(at(root.id, 1900), own("worker", 33), "an event that was late says nothing new");
    assert_eq!(at(child.id, 300), ("child".into(), 0, "daemon".into(), Some(0)));
    assert_eq!(at(child.id, 2000), ("child".into(), 0, "worker".into(), Some(33)));
}

/// A PID is used again within a clock tick, and each of the processes executes twice.
#[test]
fn programs_executed_within_a_tick_have_the_names_of_their_time() {
    let mut t = ProcessTable::default();
    let at = |offset_us: u32| Task {
        id: ProcessId::from_boot_ns(50, 70_000_000 + u64::from(offset_us) * 1000),
        ..task(50, 7, "sh")
    };
    let mut ids = Vec::new();
    for (offset_us, programs) in [(100_u32, ["/bin/a", "/bin/b"]), (900, ["/bin/c", "/bin/d"])] {
        let me = at(offset_us);
        let begun = 1_000_000_000 + u64::from(offset_us) * 1000;
        t.forked(begun, &me, &task(1, 1, "init"));
        for (n, path) in (1..).zip(programs) {
            let comm = path.trim_start_matches("/bin/");
            t.execed(begun + n * 100_000, &Task { comm: comm.into(), ..me.clone() }, 1, (&program(path), ""));
        }
        t.exited(&me, 1, Sample { time_ns: begun + 300_000, ..Sample::default() });
        ids.push((me.id, begun, programs));
    }
    for (id, begun, programs) in ids {
        let id = t.resolve(id);
        for (n, path) in (1..).zip(programs) {
            let told = t.describe(id, begun + n * 100_000, begun + n * 100_000 + 50_000).unwrap();
            assert_eq!(&*told.executable, path);
        }
    }
}

/// A child that executes another program is not its parent's program, although it began as that.
#[test]
fn where_an_exec_may_be_lost_the_parents_program_is_not_the_childs() {
    let shell = (&program("/bin/sh"), "sh -c x");
    let told = |what, from, until, ends: fn(&mut ProcessTable)| {
        let mut t = ProcessTable::default();
        let (sh, child) = (task(10, 5, "sh"), task(11, 6, "sh"));
        t.execed(100, &sh, 1, shell);
        t.forked(200, &child, &sh);
        t.lost(what, from, until);
        ends(&mut t);
        let of = |t: &mut ProcessTable, id| {
            let p = t.describe(id, 1_000, 1_010).unwrap();
            (p.name.to_string(), p.executable.to_string(), p.command_line.to_string())
        };
        assert_eq!(of(&mut t, sh.id).1, "/bin/sh", "the parent's own exec was reported");
        of(&mut t, child.id)
    };
    let is = |name: &str, path: &str, line: &str| (name.to_owned(), path.to_owned(), line.to_owned());
    let nothing: fn(&mut ProcessTable) = |_| ();
    let renamed: fn(&mut ProcessTable) = |t| {
        t.seen(900, &task(11, 6, "curl"), 10);
    };
    let execed: fn(&mut ProcessTable) = |t| t.execed(600, &task(11, 6, "curl"), 10, (&program("/bin/curl"), "curl"));
    assert_eq!(told(Lost::Anything, 300, 500, nothing), is("sh", "", ""));
    assert_eq!(told(Lost::Anything, 300, 500, renamed), is("curl", "", ""));
    assert_eq!(told(Lost::Anything, 300, 500, execed), is("curl", "/bin/curl", "curl"));
    assert_eq!(told(Lost::Anything, 50, 90, nothing), is("sh", "/bin/sh", "sh -c x"), "before the fork");
    assert_eq!(told(Lost::Anything, 2_000, 3_000, nothing), is("sh", "/bin/sh", "sh -c x"), "after the flow");
    assert_eq!(told(Lost::Continuation, 300, 500, nothing), is("sh", "/bin/sh", "sh -c x"), "no exec was");
}

#[test]
fn a_program_that_proc_shows_is_known_after_a_loss() {
    let mut t = ProcessTable::default();
    let (sh, child) = (task(10, 5, "sh"), task(11, 6, "sh"));
    t.execed(100, &sh, 1, (&program("/bin/sh"), "sh"));
    t.forked(200, &child, &sh);
    t.lost(Lost::Anything, 300, 500);
    assert_eq!(&*t.describe(child.id, 400, 400).unwrap().executable, "");
    t.described(&ProcessSeen {
        time_ns: 600,
        task: child.clone(),
        parent_pid: 10,
        real_uid: None,
        login: None,
        inner_pid: None,
        executable: program("/bin/curl"),
        command_line: "curl".into(),
        placement: None,
        service_name: "".into(),
    });
    assert_eq!(&*t.describe(child.id, 700, 700).unwrap().executable, "/bin/curl");
}
