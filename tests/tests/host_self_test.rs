//! The self-test of a running agent: it names each hook that is detached, and no other.
#![cfg(target_arch = "x86_64")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pidflow_tests::detach::Link;
use pidflow_tests::serving::within;
use pidflow_tests::silenced::{by_delivery, start};
use pidflow_tests::skip::without_root;
use pidflow_tests::trial;

/// Time limit for finding a silent hook: the interval, two rounds with a repeated SYN each, and the pause between them.
const NAMED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn each_detached_hook_is_named() -> Result<()> {
    if without_root("each_detached_hook_is_named") {
        return Ok(());
    }
    let dir = trial::folder()?;
    let agent = start(dir.path(), "tracepoint")?;
    let mut links = Link::held_by(agent.pid())?;
    ensure!(links.len() >= 8, "{links:?}");
    let [delivering, silent] = by_delivery(&agent)?;
    ensure!(silent.is_empty() && delivering.len() == links.len(), "{delivering:?} {silent:?} {links:?}");
    // While that hook is silent, the hooks for unanswered connections cannot be judged.
    links.sort_by_key(|link| link.program.starts_with("tcp_state"));
    let mut off = BTreeSet::new();
    for link in links {
        link.take_off(agent.pid())?;
        let begun = Instant::now();
        let program = delivering.iter().find(|p| p.starts_with(&link.program)).context(link.program.clone())?;
        off.insert(program.clone());
        within(NAMED_WITHIN, &format!("{program} is named"), || Ok(by_delivery(&agent)?[1] == off))?;
        let page = agent.get("/readyz")?.body;
        let says = |line: &str| line.contains(&format!("(program {program}) is silent"));
        ensure!(page.lines().any(says), "{program}: {page}");
        println!("{program} ({}): named after {:.1} s", link.kind, begun.elapsed().as_secs_f64());
    }
    let log = std::fs::read_to_string(dir.path().join("log"))?;
    for program in &off {
        let lines = log.lines().filter(|l| l.contains(&format!("(program {program}) is silent"))).count();
        ensure!(lines == 1, "{program}: {lines} lines\n{log}");
    }
    agent.stop()
}

/// Runs for `PIDFLOW_LONG` seconds, or 12: the self-test never names a hook as silent.
#[test]
fn hooks_that_deliver_are_never_called_silent() -> Result<()> {
    if without_root("hooks_that_deliver_are_never_called_silent") {
        return Ok(());
    }
    let seconds = std::env::var("PIDFLOW_LONG").ok().and_then(|s| s.parse().ok()).unwrap_or(12);
    let dir = trial::folder()?;
    let agent = start(dir.path(), "auto")?;
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let [_, silent] = by_delivery(&agent)?;
        ensure!(silent.is_empty(), "{silent:?}: {}", std::fs::read_to_string(dir.path().join("log"))?);
        std::thread::sleep(Duration::from_millis(500));
    }
    let result = |name: &str| agent.metric(&format!("pidflow_self_tests_total{{result=\"{name}\"}}"));
    let (passed, failed, unclear) = (result("passed")?, result("failed")?, result("inconclusive")?);
    println!("{passed} tests passed, {failed} failed, {unclear} inconclusive");
    ensure!(failed == 0 && passed >= seconds / 5, "{passed} passed, {failed} failed, {unclear} inconclusive");
    agent.stop()
}
