//! Tests whether the hooks that can be attached on this host report events.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::finding::{Finding, Verdict};
use crate::privileges::{Role, in_role};
use crate::probes::{Surroundings, Trial};
use crate::self_test::{Bench, Judgement, OwnProcess, Silent, Tap};

const WHAT: &str = "self-test";
/// Interval at which facts are drained.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

/// One finding if all tested hooks report events; otherwise one for each silent hook.
pub(super) fn findings(trial: Trial, polls: bool) -> Vec<Finding> {
    if trial.attached().is_empty() {
        return Vec::new();
    }
    let hooks = trial.attached().len();
    match test(trial, polls) {
        Ok(found) if found.silent.is_empty() => vec![passed(&found, hooks)],
        Ok(found) => found.silent.iter().map(silent).collect(),
        Err(why) => {
            vec![Finding::new(Verdict::Fine, WHAT, "inconclusive, the hooks could not be tested").with("reason", &why)]
        }
    }
}

fn passed(found: &Judgement, hooks: usize) -> Finding {
    let untested: Vec<_> = found.untested.iter().map(|hook| hook.target.as_str()).collect();
    let tested = hooks - untested.len();
    Finding::new(Verdict::Fine, WHAT, &format!("{tested} of {hooks} hooks were tested, all deliver"))
        .with("not tested", &untested.join(", "))
        .with("note", &if untested.is_empty() { String::new() } else { found.not_done.join("; ") })
}

fn silent(silent: &Silent) -> Finding {
    Finding::new(Verdict::Partial, WHAT, &silent.line())
        .with("missing", &silent.missed)
        .with("remedy", "use another --probes backend; a security module or another program may stop this hook")
}

/// Runs the test in a thread of its own, while this thread drains the facts.
fn test(mut trial: Trial, polls: bool) -> Result<Judgement, String> {
    let tap = Tap::default();
    let own = OwnProcess::new(Surroundings::look().pid_in_facts(polls));
    let bench = Bench::new(tap.clone(), trial.attached().to_vec(), own);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let tester = scope.spawn(|| {
            let found = in_role(Role::SelfTest, &[], || bench.test());
            is_over.store(true, SeqCst);
            found.map_err(|e| e.to_string()).flatten()
        });
        let mut facts = Vec::new();
        while !is_over.load(SeqCst) {
            tap.pass(&mut facts, &mut trial, Trial::drain, Trial::lost_events);
            facts.clear();
            thread::sleep(DRAIN_INTERVAL);
        }
        tester.join().unwrap_or_else(|_| Err("the test failed".to_owned()))
    })
}
