//! The result of a test.

use crate::probes::AttachedHook;

/// The result of a round or a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    /// Hooks that did not report an expected fact.
    pub(crate) silent: Vec<Silent>,
    /// Hooks for which no step was done, or whose result depends on a silent hook.
    pub(crate) untested: Vec<AttachedHook>,
    /// Steps that failed, with the reason.
    pub(crate) not_done: Vec<String>,
}

/// A hook that does not report events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silent {
    /// The program and its attach point.
    pub(crate) hook: AttachedHook,
    /// What was done and not reported.
    pub(crate) missed: String,
}

impl Silent {
    /// The message for the operator, in one line.
    pub(crate) fn line(&self) -> String {
        let AttachedHook { program, target } = &self.hook;
        format!("hook {target} (program {program}) is silent: the self-test did not see {}", self.missed)
    }
}
