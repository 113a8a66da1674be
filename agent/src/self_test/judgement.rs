//! What a test says about the hooks.

use crate::probes::AttachedHook;

/// What a round says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    /// Hooks that did not deliver.
    pub(crate) silent: Vec<Silent>,
    /// Hooks of which nothing was done.
    pub(crate) untested: Vec<AttachedHook>,
    /// Why.
    pub(crate) not_done: Vec<String>,
}

/// A hook that does not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silent {
    /// The hook.
    pub(crate) hook: AttachedHook,
    /// What was done and not told.
    pub(crate) missed: String,
}

impl Silent {
    /// In one line.
    pub(crate) fn line(&self) -> String {
        let AttachedHook { program, target } = &self.hook;
        format!("hook {target} (program {program}) is silent: the self-test did not see {}", self.missed)
    }
}
