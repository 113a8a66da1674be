//! The results of the self-test so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::judgement::{Judgement, Silent};
use crate::probes::AttachedHook;

/// The results as of the last test.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Number of tests by result, see [`RESULTS`].
    pub(crate) tests: BTreeMap<&'static str, u64>,
    /// Hooks that were tested, and whether they report events.
    pub(crate) hooks: Vec<(AttachedHook, bool)>,
    /// Hooks that do not report events.
    pub(crate) silent: Vec<Silent>,
}

/// All tested hooks report events; a hook is silent; the test could not be judged.
const RESULTS: [&str; 3] = ["passed", "failed", "inconclusive"];

/// The results, shared between the self-test thread and the parts of the agent that publish them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome(Arc<Mutex<State>>);

impl Outcome {
    /// The results as of the last test.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the result of a test, and logs what has changed.
    pub(super) fn take(&self, hooks: &[AttachedHook], found: Result<Judgement, String>) {
        let mut state = self.lock();
        RESULTS.iter().for_each(|result| _ = state.tests.entry(result).or_default());
        let result = match found {
            Ok(judgement) => state.update(hooks, judgement),
            Err(why) => {
                tracing::warn!("self-test: inconclusive, the hooks could not be tested: {why}");
                "inconclusive"
            }
        };
        *state.tests.entry(result).or_default() += 1;
    }
}

impl State {
    fn update(&mut self, hooks: &[AttachedHook], mut found: Judgement) -> &'static str {
        // A silent hook that could not be tested this time remains silent.
        found.silent.extend(self.silent.iter().filter(|old| found.untested.contains(&old.hook)).cloned());
        found.untested.retain(|hook| !found.silent.iter().any(|s| s.hook == *hook));
        let is_new = |s: &&Silent| !self.silent.iter().any(|old| old.hook == s.hook);
        for silent in found.silent.iter().filter(is_new) {
            tracing::error!("{}; restart the agent to attach it again; pidflow doctor tests all hooks", silent.line());
        }
        let delivers = |hook: &AttachedHook| !found.silent.iter().any(|s| s.hook == *hook);
        for old in self.silent.iter().filter(|old| delivers(&old.hook)) {
            tracing::info!("hook {} (program {}) delivers again", old.hook.target, old.hook.program);
        }
        let tested = hooks.iter().filter(|hook| !found.untested.contains(hook));
        self.hooks = tested.map(|hook| (hook.clone(), delivers(hook))).collect();
        self.silent = found.silent;
        if self.silent.is_empty() { "passed" } else { "failed" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(program: &str) -> AttachedHook {
        AttachedHook { program: program.into(), target: format!("raw_tp:{program}") }
    }

    #[test]
    fn a_silent_hook_stays_silent_until_it_delivers_again() {
        let (outcome, hooks) = (Outcome::default(), [hook("a"), hook("b"), hook("c")]);
        let silent = || vec![Silent { hook: hook("a"), missed: "a UDP send over IPv4".into() }];
        let found = |silent| Ok(Judgement { silent, untested: vec![hook("c")], ..Judgement::default() });
        outcome.take(&hooks, found(silent()));
        assert_eq!(outcome.state().hooks, [(hook("a"), false), (hook("b"), true)]);
        outcome.take(&hooks, Err("events were lost".into()));
        assert_eq!(outcome.state().silent, silent(), "nothing new is known");
        let untested = vec![hook("a"), hook("b"), hook("c")];
        outcome.take(&hooks, Ok(Judgement { untested, ..Judgement::default() }));
        assert_eq!(outcome.state().silent, silent(), "nothing new is known");
        outcome.take(&hooks, found(Vec::new()));
        let state = outcome.state();
        assert!(state.silent.is_empty() && state.hooks.iter().all(|(_, delivers)| *delivers));
        assert_eq!(state.tests.into_iter().collect::<Vec<_>>(), [("failed", 2), ("inconclusive", 1), ("passed", 1)]);
    }
}
