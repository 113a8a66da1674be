//! Collects the counts of the live pipeline: publishes them, and, without the live view, writes one line a minute to the
//! log.

mod losses;

use std::sync::Arc;
use std::time::Instant;

use pidflow_engine::fact::Fact;
use pidflow_exporters::Snapshot;
use pidflow_schema::FlowRecord;

use crate::command_run::Watch;
use crate::history::{History, HistoryCounts};
use crate::host::Host;
use crate::ledger::{SAMPLED_OUT, SEEN_ELSEWHERE};
use crate::live_view::LiveView;
use crate::metrics::talk::TrafficSums;
use crate::pipeline::{DescribeProcess, Figures, PipelineObserver, ReportUsage};
use crate::probes::{AttachedHook, HookReport};
use crate::published::Published;
use crate::published::losses::{Loss, LossWindow};
use crate::published::status::{Exporter, Hook, HookTest, Labelled, RecordCounts, Status, labelled};
use crate::self_test;
use crate::translation;
use crate::{containers, figures, kubernetes, output_folders, stderr, threads};
use pidflow_capture::{CaptureCounters, InterfaceChanges};

/// Seconds between two selections of the series that are shown.
const SELECTION_INTERVAL_S: u64 = 15;
/// Seconds between two lines in the log.
const SUMMARY_S: u64 = 60;

/// Maximum number of missing interfaces that are named.
const MAX_NAMED: usize = 10;

/// Properties that do not change while running.
#[derive(Debug, Clone)]
pub(crate) struct RunDescription {
    /// Interfaces, joined.
    pub(crate) interfaces: String,
    /// Hooks and their attachments.
    pub(crate) hooks: Vec<HookReport>,
    /// What the thread of address translations counts.
    pub(crate) translation: Arc<translation::State>,
    /// How names of containers are known, which may change while running.
    pub(crate) containers: Arc<containers::State>,
    /// How pods are known, which may change while running.
    pub(crate) kubernetes: Arc<kubernetes::State>,
}

impl RunDescription {
    /// Of `pidflow collect` at these addresses: it captures no packets and asks no kernel.
    pub(crate) fn of_collector(addresses: &str) -> Self {
        let kubernetes = Arc::new(kubernetes::State::off());
        Self {
            interfaces: addresses.to_owned(),
            hooks: Vec::new(),
            translation: Arc::default(),
            containers: Arc::default(),
            kubernetes,
        }
    }
}

/// Observes the pipeline.
#[derive(Debug)]
pub(crate) struct Observers {
    published: Published,
    view: Option<LiveView>,
    command: Option<Watch>,
    history: Option<History>,
    about: RunDescription,
    host: Host,
    talk: TrafficSums,
    records: RecordCounts,
    losses: LossWindow,
    self_test: Option<self_test::Outcome>,
    started: Instant,
    settled_s: u64,
    summed_up_s: u64,
    /// Why the pipeline ends; none: it continues.
    stopping: Option<&'static str>,
}

impl Observers {
    /// Starts observing now.
    pub(crate) fn new(published: Published, about: RunDescription, host: Host, max_edges: usize) -> Self {
        Self {
            published,
            view: None,
            command: None,
            history: None,
            about,
            host,
            talk: TrafficSums::new(max_edges),
            records: RecordCounts::default(),
            losses: LossWindow::default(),
            self_test: None,
            started: Instant::now(),
            settled_s: 0,
            summed_up_s: 0,
            stopping: None,
        }
    }

    /// Keeps the view on the terminal, until the end begins.
    pub(crate) fn with_view(mut self, view: Option<LiveView>) -> Self {
        self.view = view;
        self
    }

    /// Also shows everything to the watch over a command.
    pub(crate) fn with_command(mut self, command: Option<Watch>) -> Self {
        self.command = command;
        self
    }

    /// Also keeps all records in the history.
    pub(crate) fn with_history(mut self, history: Option<History>) -> Self {
        self.history = history;
        self
    }

    /// Also publishes what the self-test finds.
    pub(crate) fn with_self_test(mut self, outcome: Option<self_test::Outcome>) -> Self {
        self.self_test = outcome;
        self
    }

    fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn status(&mut self, f: &Figures, seconds: u64) -> Status {
        let translation = self.about.translation.counts();
        let exporters = self.exporters(f);
        let losses = losses::all(f, &exporters, translation, self.about.kubernetes.dropped());
        let tested = self.self_test.as_ref().map(self_test::Outcome::state).unwrap_or_default();
        Status {
            seconds,
            packets: f.table.packets,
            octets: f.capture.frame_octets,
            discards: discards(&f.capture, f.table.seen_elsewhere.packets),
            undecoded: f.capture.discards.by_protocol().collect(),
            tcp: f.table.tcp,
            kernel_drops: losses::kernel_drops(&f.capture),
            interface_changes: interface_changes(&f.capture.interfaces),
            missing_interfaces: f.capture.interfaces.missing.len() as u64,
            active: f.active as u64,
            tables: tables(f),
            records: self.records.clone(),
            probes: labelled([("delivered", f.kernel.delivered), ("suppressed", f.kernel.suppressed)]),
            events_lost: losses::events_lost(f, translation),
            join: join(f),
            hooks: self.hooks().iter().map(hook).collect(),
            self_tests: tested.tests.iter().map(|(result, n)| ((*result).to_owned(), *n)).collect(),
            hook_tests: hook_tests(&tested),
            exporters,
            queues: f.queues.iter().map(|(name, n)| ((*name).to_owned(), *n as u64)).collect(),
            queue_bytes: f.queue_bytes as u64,
            thread_restarts: threads::restarts(),
            container_failures: self.about.containers.failures(),
            log_lines_lost: stderr::lost_lines(),
            talk: self.talk.shown(),
            host: Some(self.host.latest()),
            ledger: f.ledger.clone().map(Arc::new),
            collect: f.collect.clone(),
            glue: f.glue,
            shed: f.shed,
            not_ready: self.stopping.or_else(|| nothing_captured(f)).into_iter().map(str::to_owned).collect(),
            degraded: self.degraded(f, seconds, &losses, &tested),
            losses,
        }
    }

    /// Everything that is degraded, one line each.
    fn degraded(&mut self, f: &Figures, seconds: u64, losses: &[Loss], tested: &self_test::State) -> Vec<String> {
        let silent = tested.silent.iter().map(self_test::Silent::line).collect();
        let history = self.history.as_ref().and_then(History::trouble);
        let shed = f.shed.trouble();
        let others = shed.into_iter().chain(stderr::trouble()).chain(output_folders::trouble()).chain(history);
        let troubles = [threads::troubles(), others.collect()].concat();
        [silent, unseen(&self.hooks(), f), self.losses.update(seconds, losses), troubles].concat()
    }

    /// The exporters, and the history, which has the metrics of one.
    fn exporters(&self, f: &Figures) -> Vec<Exporter> {
        let history = self.history.as_ref().map(|history| kept(&history.counts()));
        f.exporters.iter().map(exporter).chain(history).collect()
    }

    /// How each fact is collected now.
    fn hooks(&self) -> Vec<HookReport> {
        let about = &self.about;
        about.hooks.iter().cloned().chain(about.containers.report()).chain(about.kubernetes.reports()).collect()
    }

    fn sum_up(&mut self, s: &Status, now_s: u64) {
        if now_s < self.summed_up_s + SUMMARY_S {
            return;
        }
        self.summed_up_s = now_s;
        let (known, all) = s.records.attributed();
        if let Some(collect) = &s.collect {
            tracing::info!(
                "{}, {} records, lost {}",
                collect.received(),
                figures::grouped(s.records.total()),
                figures::grouped(s.lost())
            );
            return;
        }
        tracing::info!(
            "{} packets, {}, {} flows active, {} records, {known} of {all} local ends attributed, lost {}",
            figures::grouped(s.packets),
            figures::bytes(s.octets),
            figures::grouped(s.active),
            figures::grouped(s.records.total()),
            figures::grouped(s.lost())
        );
    }
}

impl PipelineObserver for Observers {
    fn facts(&mut self, facts: &[Fact], describe: DescribeProcess<'_>) {
        if let Some(command) = &self.command {
            command.facts(facts, describe);
        }
    }

    fn records(&mut self, records: &Arc<[FlowRecord]>) {
        let now_s = self.seconds();
        for r in records.iter() {
            self.records.count(r);
            self.talk.count(r, now_s);
        }
        if let Some(command) = &self.command {
            command.records(records);
        }
        if let Some(history) = &self.history {
            history.offer(records);
        }
        self.published.recent.add(records);
    }

    fn usage(&mut self, tell: ReportUsage<'_>) {
        self.talk.usage(self.started.elapsed().as_secs(), tell);
    }

    fn publish(&mut self, figures: &Figures) {
        let now_s = self.seconds();
        if now_s >= self.settled_s + SELECTION_INTERVAL_S {
            self.settled_s = now_s;
            self.talk.settle(now_s);
        }
        let status = self.status(figures, now_s);
        if self.view.is_none() {
            self.sum_up(&status, now_s);
        }
        self.published.publish(status);
    }

    /// Publishes at once, because exporting the remaining records may take long.
    fn stopping(&mut self, why: &'static str) {
        self.stopping = Some(why);
        self.published.stopping(why);
        self.view = None;
    }
}

fn discards(c: &CaptureCounters, seen_elsewhere: u64) -> Labelled {
    let decoded = c.discards.iter().map(|(reason, d)| (reason.name().to_owned(), d.packets));
    let copies = c.loopback_copies.packets;
    let others = labelled([
        ("filtered", c.filtered.packets),
        ("loopback-copy", copies),
        (SAMPLED_OUT, c.sampled_out.packets),
        (SEEN_ELSEWHERE, seen_elsewhere),
    ]);
    decoded.chain(others.into_iter().filter(|(_, n)| *n > 0)).collect()
}

/// Missing interfaces may return. While all are missing, nothing is captured.
fn nothing_captured(f: &Figures) -> Option<&'static str> {
    let interfaces = &f.capture.interfaces;
    (interfaces.captured == 0 && !interfaces.missing.is_empty())
        .then_some("no interface is captured, all have disappeared")
}

fn interface_changes(changes: &InterfaceChanges) -> Labelled {
    labelled([("appeared", changes.appeared), ("disappeared", changes.disappeared), ("renamed", changes.renamed)])
}

/// What the hooks cannot see.
fn unseen(hooks: &[HookReport], f: &Figures) -> Vec<String> {
    let hooks = hooks.iter().filter(|h| !h.lost.is_empty());
    let hooks = hooks.map(|h| format!("{}: not seen: {}", h.fact, h.lost));
    let names = &f.capture.interfaces.missing;
    let missing = names.iter().take(MAX_NAMED).map(|name| format!("interface {name} is not captured"));
    let more = names.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("{more} more interfaces are not captured"));
    hooks.chain(missing).chain(more).collect()
}

fn tables(f: &Figures) -> Labelled {
    labelled([
        ("processes", f.held.0 as u64),
        ("socket-claims", f.held.1 as u64),
        ("flows-peak", f.table.peak_flows),
        ("translations", f.table.translations),
        ("tenancies", f.tenancies as u64),
    ])
}

fn join(f: &Figures) -> Labelled {
    labelled([
        ("records", f.join.records),
        ("turned-round", f.join.turned),
        ("without-packets", f.join.without_packets),
        ("forgotten-early", f.join.crowded),
        ("failed-in-other-namespaces", f.join.failed_elsewhere),
        ("failed-filtered", f.join.failed_filtered),
        ("closes-missed", f.join.closes_missed),
        ("exits-missed", f.join.exits_missed),
        ("processes-dropped", f.join.processes_dropped),
        ("claims-dropped", f.join.claims_dropped),
        ("failed-dropped", f.join.failed_dropped),
        ("joined-early", f.joined_early),
        ("not-selected", f.not_selected),
        ("clock-steps", f.clock_steps),
        ("flows-evicted", f.table.evicted),
        ("flows-merged", f.table.flows_merged),
        ("translations-dropped", f.table.translations_dropped),
        ("translation-unknown", f.table.translations_unknown),
        ("tenancies-dropped", f.join.tenancies_dropped),
        ("flows-ended-by-socket-change", f.table.socket_changes),
        ("tunnels-unnamed", f.table.unnamed_tunnels),
        ("names-dropped", f.join.names_dropped),
        ("names-without-process", f.join.names_without_process),
        ("own-hidden", f.own_hidden),
    ])
}

fn hook_tests(tested: &self_test::State) -> Vec<HookTest> {
    let test = |(hook, delivers): &(AttachedHook, bool)| HookTest {
        program: hook.program.clone(),
        target: hook.target.clone(),
        delivers: *delivers,
    };
    tested.hooks.iter().map(test).collect()
}

fn hook(h: &HookReport) -> Hook {
    Hook { hook: h.fact.to_owned(), way: h.way.clone().unwrap_or_else(|| "none".into()) }
}

fn exporter(s: &Snapshot) -> Exporter {
    let lost = s.lost.iter().filter(|(_, n)| *n > 0).map(|(why, n)| (why.name().to_owned(), *n));
    Exporter {
        name: s.exporter.clone(),
        records: s.exported,
        filtered: s.filtered,
        lost: lost.collect(),
        queue: s.pending(),
        spooled: s.spooled,
    }
}

/// The history's counts as those of an exporter.
fn kept(h: &HistoryCounts) -> Exporter {
    let HistoryCounts { name, written, waiting, .. } = h;
    Exporter { name: name.clone(), records: *written, filtered: 0, lost: h.lost(), queue: *waiting, spooled: 0 }
}
