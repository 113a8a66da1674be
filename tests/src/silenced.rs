//! Detaches the hooks of a running agent: its self-test must name them, and no others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::detach::Link;
use crate::serving::{Serving, eventually, within};
use crate::trial;

/// Interval of the self-tests.
pub const INTERVAL: &str = "1s";
/// Time limit for naming silent hooks in an emulated machine: the interval, and two rounds with a repeated SYN each.
const NAMED_WITHIN: Duration = Duration::from_secs(90);

/// The value of a label in a line of the metrics.
fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("{name}=\""))?.1.split('"').next()
}

/// Programs whose hooks report events, and programs whose hooks do not, according to the metrics.
pub fn by_delivery(agent: &Serving) -> Result<[BTreeSet<String>; 2]> {
    let page = agent.get("/metrics")?.body;
    let lines = page.lines().filter(|l| l.starts_with("pidflow_hook_delivers{"));
    let (mut delivering, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let program = label(line, "program").context("no program")?;
        let place = if line.ends_with(" 1") { &mut delivering } else { &mut silent };
        place.insert(program.to_owned());
    }
    Ok([delivering, silent])
}

/// Starts an agent that tests its hooks all the time, and waits for the first result.
pub fn start(dir: &std::path::Path, backend: &str) -> Result<Serving> {
    let agent = Serving::start(dir, &["--probes", backend, "--self-test-interval", INTERVAL])?;
    eventually("the first test is over", || Ok(!by_delivery(&agent)?[0].is_empty()))?;
    Ok(agent)
}

/// Detaches the hooks of a backend in three steps, and returns a summary of a few lines.
///
/// # Errors
/// A hook that was detached was not named, or one that was not detached was.
pub fn run(backend: &str) -> Result<String> {
    let dir = trial::folder()?;
    let agent = start(dir.path(), backend)?;
    let [delivering, silent] = by_delivery(&agent)?;
    ensure!(silent.is_empty() && delivering.len() > 10, "reporting: {delivering:?}; silent: {silent:?}");
    let links: Vec<_> =
        Link::held_by(agent.pid())?.into_iter().filter(|link| delivering.iter().any(|p| is_of(link, p))).collect();
    let (mut off, mut summary) = (BTreeSet::new(), Vec::new());
    for step in 0..STEPS {
        let begun = Instant::now();
        for (_, link) in links.iter().enumerate().filter(|(number, link)| step_of(*number, link) == step) {
            link.take_off(agent.pid())?;
            off.extend(delivering.iter().filter(|program| is_of(link, program)).cloned());
        }
        within(
            NAMED_WITHIN,
            &format!("these are named and no others: {off:?}"),
            || Ok(by_delivery(&agent)?[1] == off),
        )?;
        summary.push(format!("{} hooks off: named after {:.1} s", off.len(), begun.elapsed().as_secs_f64()));
    }
    ensure!(off == delivering, "not detached: {:?}", &delivering - &off);
    agent.stop()?;
    Ok(summary.join("\n"))
}

/// The kernel keeps 15 bytes of a program's name.
fn is_of(link: &Link, program: &str) -> bool {
    program.starts_with(&link.program)
}

const STEPS: usize = 3;

/// Every second hook, then the others. The begin and the end of a function report one fact together. Without the hook on
/// TCP states, those for unanswered connections cannot be judged: it comes last.
fn step_of(number: usize, link: &Link) -> usize {
    let is_pair = link.program.contains("_tcp_v");
    if link.program.starts_with("tcp_state") { STEPS - 1 } else { usize::from(!is_pair && number % 2 == 1) }
}
