//! Makes the report from what was seen.

use std::collections::BTreeMap;

use jiff::{Timestamp, Unit};

use super::{Compared, Destination, Figures, Inner, Listener, ProcessLine, Report, VERSION, errno};
use crate::command_run::baseline::Entry;
use crate::command_run::traffic::{InnerKey, Key, ListenKey, Listened, Sums, Traffic};
use crate::command_run::tree::{Member, Tree};
use crate::command_run::watch::Watched;
use crate::command_run::{Outcome, Ran};
use crate::select::protocol_name;

/// The reason of a connection that had not failed yet.
const NO_ANSWER: &str = "no answer";
/// The greatest number of processes named in one line.
const MAX_NAMED: usize = 5;

/// What the report says beside what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// How the command ended.
    pub(crate) outcome: Outcome,
    /// When it was started, engine's time, nanoseconds.
    pub(crate) started_ns: u64,
    /// When its end was noticed.
    pub(crate) ended_ns: u64,
    /// The command as given, for when its process was not seen.
    pub(crate) given: String,
    /// What was lost, one line each.
    pub(crate) losses: Vec<String>,
    /// Comparison with a baseline.
    pub(crate) baseline: Option<Compared>,
}

impl Circumstances {
    /// Without a baseline.
    pub(crate) fn new(ran: Ran, given: String, losses: Vec<String>) -> Self {
        let Ran { outcome, started_ns, ended_ns } = ran;
        Self { outcome, started_ns, ended_ns, given, losses, baseline: None }
    }
}

/// Makes the report.
pub(crate) fn make(watched: &Watched, about: Circumstances) -> Report {
    let (tree, traffic) = (&watched.tree, &watched.traffic);
    let root = tree.root();
    let is_root = |member: &Member| root.is_some_and(|root| root.id == member.id);
    let started_ns = root.map_or(about.started_ns, |root| root.start_ns.max(about.started_ns));
    let ended_ns = root.and_then(|root| root.ended_ns).unwrap_or(about.ended_ns);
    let lost = lost(tree, traffic, &about);
    Report {
        version: VERSION,
        command: root.and_then(command_line).unwrap_or_else(|| about.given.clone()),
        outcome: about.outcome,
        started: time(started_ns),
        seconds: seconds(ended_ns.saturating_sub(started_ns)),
        destinations: traffic.destinations.iter().map(destination).collect(),
        inner: inner(traffic),
        listened: listened(traffic),
        processes: tree.members().iter().map(|member| process(member, is_root(member).then_some(&about))).collect(),
        has_all_destinations: lost.is_empty(),
        incomplete: still_running(tree).into_iter().chain(lost).collect(),
        baseline: about.baseline,
    }
}

/// The destinations outside of the tree, as the baseline has them.
pub(crate) fn entries(watched: &Watched) -> impl Iterator<Item = Entry> + '_ {
    watched.traffic.destinations.keys().map(Entry::of)
}

fn command_line(member: &Member) -> Option<String> {
    let process = member.process.as_ref()?;
    (!process.command_line.is_empty()).then(|| process.command_line.to_string())
}

fn destination((key, sums): (&Key, &Sums)) -> Destination {
    Destination {
        what: Entry::of(key),
        addresses: sums.addresses.iter().map(ToString::to_string).collect(),
        pids: sums.pids.iter().copied().collect(),
        figures: figures(sums),
    }
}

fn inner(traffic: &Traffic) -> Vec<Inner> {
    let row = |(key, sums): (&InnerKey, &Sums)| Inner {
        what: Entry::of(&key.client),
        server: key.server.to_string(),
        figures: figures(sums),
    };
    traffic.inner.iter().map(row).collect()
}

fn listened(traffic: &Traffic) -> Vec<Listener> {
    let row = |(key, listened): (&ListenKey, &Listened)| {
        let clients = &listened.clients;
        Listener {
            port: (key.port != 0).then_some(key.port),
            protocol: protocol_name(key.protocol),
            program: key.program.to_string(),
            addresses: listened.on.iter().map(ToString::to_string).collect(),
            pids: clients.pids.iter().copied().collect(),
            clients: clients.addresses.iter().map(ToString::to_string).collect(),
            inner_connections: listened.inner,
            figures: figures(clients),
        }
    };
    traffic.listened.iter().map(row).collect()
}

fn figures(sums: &Sums) -> Figures {
    let mut failures: BTreeMap<String, u64> =
        sums.failures.iter().map(|(number, n)| (errno::name(*number), *n)).collect();
    if sums.unanswered > 0 {
        failures.insert(NO_ANSWER.to_owned(), sums.unanswered);
    }
    let mut times = sums.connect_us.clone();
    times.sort_unstable();
    Figures {
        connections: sums.connections,
        sent_bytes: sums.sent,
        received_bytes: sums.received,
        failures,
        connect_median_ms: times.get(times.len() / 2).map(|us| f64::from(*us) / 1e3),
        connect_max_ms: times.last().map(|us| f64::from(*us) / 1e3),
        applications: sums.applications.iter().copied().collect(),
    }
}

/// `own`: it is the command's own process.
fn process(member: &Member, own: Option<&Circumstances>) -> ProcessLine {
    let described = member.process.as_deref();
    let text = |of: fn(&pidflow_schema::Process) -> &str| described.map(of).unwrap_or_default().to_owned();
    // The command's process was there before, and waited.
    let start_ns = own.map_or(member.start_ns, |about| about.started_ns.max(member.start_ns));
    let outcome = own.map(|about| about.outcome);
    ProcessLine {
        pid: member.id.pid,
        parent_pid: member.parent_pid,
        name: text(|p| &p.name),
        command_line: text(|p| &p.command_line),
        user: text(|p| &p.user),
        started: time(start_ns),
        // Its end was waited for, even if the kernel's report of it was lost.
        seconds: member
            .ended_ns
            .or(own.map(|about| about.ended_ns))
            .map(|ended_ns| seconds(ended_ns.saturating_sub(start_ns))),
        exit_code: outcome.and_then(|outcome| outcome.exit_code),
        signal: outcome.and_then(|outcome| outcome.signal),
        cpu_seconds: member.used.cpu_ns.map(seconds),
        peak_memory_bytes: member.used.peak_rss,
        minor_faults: member.used.minor_faults,
        major_faults: member.used.major_faults,
        sent_bytes: member.octets.0,
        received_bytes: member.octets.1,
    }
}

/// What was lost while the command was watched, one line each. Each may be a destination.
fn lost(tree: &Tree, traffic: &Traffic, about: &Circumstances) -> Vec<String> {
    let unseen = tree.members().is_empty().then(|| "no process of the command was seen".to_owned());
    let more = |n: u64, what: &str| (n > 0).then(|| format!("{n} more {what}"));
    let processes = more(tree.without_details(), "processes are not listed");
    let records = more(traffic.without_room, "records are not counted, because there are too many destinations");
    let own = [unseen, processes, records];
    own.into_iter().flatten().chain(about.losses.iter().cloned()).collect()
}

fn still_running(tree: &Tree) -> Option<String> {
    let is_root = |member: &Member| tree.root().is_some_and(|root| root.id == member.id);
    let running = tree.members().iter().filter(|member| member.ended_ns.is_none() && !is_root(member));
    let running: Vec<_> = running.collect();
    let name = |member: &&Member| {
        let name = member.process.as_ref().map_or("?", |process| &process.name);
        format!("{name} ({})", member.id.pid)
    };
    let names: Vec<_> = running.iter().take(MAX_NAMED).map(name).collect();
    let still = match running.len() {
        0 => return None,
        1 => "1 process still runs".to_owned(),
        n => format!("{n} processes still run"),
    };
    Some(format!("{still} ({}): what happens from now on is not in this report", names.join(", ")))
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// RFC 3339, to the millisecond.
fn time(ns: u64) -> String {
    let time = Timestamp::from_nanosecond(ns.into()).unwrap_or_default();
    time.round(Unit::Millisecond).unwrap_or(time).to_string()
}
