//! The kernel hooks in use, and why better ones are not available.

use std::collections::BTreeMap;

use super::finding::{Finding, Verdict};
use super::self_test;
use crate::probes::{Backend, HookReport, Refusal, Trial};
use crate::translation;

/// Every hook, and at the end the reasons of all refusals, each reason once.
pub(super) fn findings(backend: Backend) -> Vec<Finding> {
    match Trial::start(backend) {
        Ok(trial) => {
            let reports = trial.reports();
            let found: Vec<_> = reports.iter().map(hook).chain(refusals(reports)).chain([translation()]).collect();
            found.into_iter().chain(self_test::findings(trial, backend == Backend::Poll)).collect()
        }
        Err(e) => vec![Finding::new(Verdict::Fails, "all hooks", "none").with("reason", &format!("{e:#}"))],
    }
}

fn hook(r: &HookReport) -> Finding {
    let verdict = if r.lost.is_empty() { Verdict::Fine } else { Verdict::Partial };
    let refused: Vec<_> = r.refusals.iter().filter_map(|refusal| refusal.hook.as_deref()).collect();
    let finding = Finding::new(verdict, r.fact, r.way.as_deref().unwrap_or("none"));
    let finding = finding.with("not available", &refused.join(", ")).with("missing", r.lost);
    let general = r.refusals.iter().filter(|refusal| refusal.hook.is_none());
    general.fold(finding, |finding, refusal| finding.with("reason", &refusal.reason))
}

/// Address translation, which needs no hook.
fn translation() -> Finding {
    let (report, remedy) = translation::probe();
    hook(&report).with("remedy", remedy)
}

/// One finding with every reason, if a hook was refused.
fn refusals(reports: &[HookReport]) -> Option<Finding> {
    let mut hooks = BTreeMap::<&str, Vec<&str>>::new();
    for Refusal { hook, reason } in reports.iter().flat_map(|r| &r.refusals) {
        if let Some(hook) = hook {
            hooks.entry(reason).or_default().push(hook);
        }
    }
    let finding = Finding::new(Verdict::Fine, "unavailable hooks", "the kernel refused them");
    let add = |finding: Finding, (reason, hooks): (&&str, &Vec<&str>)| {
        finding.with("reason", &format!("{}: {reason}", named(hooks)))
    };
    (!hooks.is_empty()).then(|| hooks.iter().fold(finding, add))
}

/// The hook, or the kinds of several hooks.
fn named(hooks: &[&str]) -> String {
    if let [one] = hooks {
        return (*one).to_owned();
    }
    let mut kinds: Vec<_> = hooks.iter().filter_map(|hook| hook.split(':').next()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::finding::render;
    use super::*;

    fn report(fact: &'static str, refused: &[(&str, &str)]) -> HookReport {
        let refusal = |(hook, reason): &(&str, &str)| Refusal { hook: Some((*hook).into()), reason: (*reason).into() };
        HookReport { fact, way: Some("raw_tp:x".into()), refusals: refused.iter().map(refusal).collect(), lost: "" }
    }

    fn rendered(reports: &[HookReport]) -> String {
        render(&[("Hooks", reports.iter().map(hook).chain(refusals(reports)).collect())])
    }

    #[test]
    fn a_reason_of_several_hooks_is_given_once() {
        let text = rendered(&[
            report("connect", &[("fentry:a", "not permitted"), ("kprobe:a", "no such file")]),
            report("accept", &[("fexit:b", "not permitted"), ("kprobe:b", "no such file")]),
            report("close", &[("fentry:c", "not in BTF")]),
        ]);
        let lines = |word: &str| text.lines().filter(|line| line.contains(word)).map(str::trim).collect::<Vec<_>>();
        assert_eq!(lines("not permitted"), ["reason: fentry, fexit: not permitted"], "{text}");
        assert_eq!(lines("no such file"), ["reason: kprobe: no such file"], "{text}");
        assert_eq!(lines("not in BTF"), ["reason: fentry:c: not in BTF"], "{text}");
        assert_eq!(lines("fexit:b"), ["not available: fexit:b, kprobe:b"], "{text}");
    }

    #[test]
    fn nothing_is_added_where_every_hook_is_the_best_one() {
        assert!(!rendered(&[report("connect", &[])]).contains("available"));
        let general = Refusal { hook: None, reason: "no BTF".into() };
        let polling = HookReport { fact: "sockets", way: None, refusals: vec![general], lost: "" };
        let text = rendered(&[polling]);
        assert!(text.contains("reason: no BTF") && !text.contains("available"), "{text}");
    }
}
