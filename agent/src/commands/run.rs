//! `pidflow run`: attaches everything, gives up privileges, and lets the pipeline work.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use crossbeam_channel::{Receiver, bounded};
use pidflow_engine::decode::DecodeRules;
use pidflow_engine::fact::Fact;
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketClock};
use pidflow_engine::join::Joiner;
use pidflow_exporters::{ExportContext, ExporterSet, MetricSource, Mode};

use super::{preflight, summary};
use crate::capture::{ConnectFilter, Interfaces, LiveCapture, LiveOptions, PacketBatch};
use crate::cli::RunArgs;
use crate::command_run::Watch;
use crate::config::choices::ViewKind;
use crate::config::options::{FlowOptions, HistoryOptions, Options};
use crate::config::outputs::{Outputs, start_error};
use crate::config::timeout::Timeout;
use crate::config::values::Ranged;
use crate::failure::{Failure, OrUsage};
use crate::figures::{bytes, grouped};
use crate::history::{self, History};
use crate::host::Host;
use crate::http;
use crate::live_view::{self, LiveView};
use crate::memory::Budget;
use crate::notify::{self, notify};
use crate::observe::{Observers, RunDescription};
use crate::output_folders::OutputFolders;
use crate::pipeline::{Enricher, Inbox, Live, LiveParts, NOTHING_LEFT, Outlet, OwnTraffic, Sources};
use crate::privileges::{self, Role, in_role};
use crate::probes::{self, HookReport, Probes, Surroundings};
use crate::published::Published;
use crate::published::recent::Recent;
use crate::reload::Reloader;
use crate::self_test::{self, Bench, OwnProcess, Tap};
use crate::shedding::{Keeper, Shedding};
use crate::signals::HeldSignals;
use crate::{config, containers, inspection, kubernetes, logging, places, stderr, threads, translation};

/// Maximum number of packet batches that wait for the pipeline. Beyond it, packets wait in the kernel's buffers.
const BATCHES: usize = 128;
/// The active timeout if the live view is the only output.
const VIEW_TIMEOUT: Timeout = Timeout::seconds(5);
/// How many records the live view can read at once, at least.
pub(super) const VIEW_RECORDS: usize = 10_000;

/// Runs until it is stopped.
pub(crate) fn execute(args: RunArgs) -> Result<(), Failure> {
    let mut options = config::resolve(args.options.clone(), args.config.as_deref())?;
    let outputs = Outputs::new(&options, Mode::Live).or_usage()?;
    preflight::check(&options).or_usage()?;
    outputs.check_apart(args.config.iter()).or_usage()?;
    outputs.check_apart(options.files_read()).or_usage()?;
    outputs.check(Role::Exporters)?;
    logging::start(&options.log);
    outputs.say_what_is_not_used();
    let port = http::Settings::read(&options.http).or_usage()?;
    let signals = HeldSignals::new()?;
    if let Err(e) = privileges::keep_for_attaching() {
        tracing::warn!("cannot give up privileges: {e:#}");
    }
    let view = shows_view(&options, &outputs);
    let (hang_up, hung_up) = bounded(1);
    // Closing the terminal ends the program if it shows the view.
    let stop = signals.watch((!view).then_some(hang_up), || notify(notify::STOPPING))?;
    let began = options.clone();
    if view && outputs.exporters.is_empty() {
        options.flows.active_timeout.get_or_insert(VIEW_TIMEOUT);
    }
    let front = Front { view, command: None };
    let Attached { parts, exporters, metrics, .. } = attach(&options, &outputs, port, front)?;
    let running = outputs.exporters;
    let folders = OutputFolders::default();
    let (queues_bytes, certificates) = (options.budget.memory().queues_bytes(), None);
    let (given, file) = (args.options, args.config);
    Reloader { given, file, began, running, metrics, queues_bytes, exporters, folders, certificates }.start(hung_up)?;
    let live = Live::new(parts);
    Role::Pipeline.enter_or_warn();
    notify(notify::READY);
    let ended = live.run(&stop);
    stderr::say(&summary::running(&ended));
    threads::check_vital()?;
    if stop.requested() { Ok(()) } else { Err(anyhow!(NOTHING_LEFT).into()) }
}

pub(super) fn shows_view(options: &Options, outputs: &Outputs) -> bool {
    let is_wanted = options.view.kind != Some(ViewKind::Plain) && !outputs.uses_stdout();
    is_wanted && std::io::stdout().is_terminal() && live_view::terminal::is_foreground()
}

/// What shows records to people.
pub(super) struct Front {
    /// The live view.
    pub(super) view: bool,
    /// The watch over a command.
    pub(super) command: Option<Watch>,
}

/// The running parts.
pub(super) struct Attached {
    pub(super) parts: LiveParts,
    exporters: Arc<ExporterSet>,
    metrics: MetricSource,
    pub(super) published: Published,
    /// The agent's own process number in facts; none: not known.
    pub(super) own: Option<u32>,
}

/// Starts everything that can fail, in an order that misses nothing: first the probes, then the packets.
pub(super) fn attach(options: &Options, outputs: &Outputs, port: http::Settings, front: Front) -> Result<Attached> {
    let ports = http::Ports::open(port)?;
    let shedding = Arc::<Shedding>::default();
    let probes = start_probes(options, &shedding)?;
    let inspection = inspection::start(&options.ndpi)?;
    let places = places::start(options.places.settings())?;
    let rules = inspection::rules(options.flows.rules(), inspection.as_ref());
    let interfaces = preflight::interfaces(&options.capture)?;
    let budget = options.budget.memory();
    let (about, inbox) = start_fact_sources(options, budget, probes.reports(), &interfaces)?;
    let served = if ports.serves_records() { options.http.recent_flows() } else { 0 };
    let history = start_history(&options.history)?;
    let published = publish(outputs, budget, served.max(if front.view { VIEW_RECORDS } else { 0 }))
        .with_history(history.as_ref().map(History::questions));
    let metrics = metrics(&published);
    let queues_bytes = budget.queues_bytes();
    let context = ExportContext { metrics: Some(metrics.clone()), queues_bytes, ..outputs.context.clone() };
    let exporters = Arc::new(start_exporters(outputs, &context)?);
    let (capture, batches) = start_capture(interfaces.clone(), options, &rules, &shedding)?;
    let ready = ready_line(&about, &ports.describe());
    ports.serve(&published)?;
    tracing::info!("{ready}");
    let host = Host::start()?;
    let (tap, own, translation) = (Tap::default(), own_process(&probes), Arc::clone(&about.translation));
    let own_pid = own.pid();
    let tested = start_self_test(options, &probes, (&tap, &own))?;
    let observers = observers(&published, about, (&host, options.http.max_edges()), front)?
        .with_self_test(tested)
        .with_history(history);
    let outlet = outlet(options, exporters.clone(), own)
        .with_enricher(observed_by(&context))
        .with_places(places)
        .with_enricher(Box::new(move |record| host.describe(record)))
        .with_observer(Box::new(observers));
    let sources = Sources::new(Box::new(capture), batches, Box::new(probes));
    let sources = Sources { facts: inbox, translation, tap, ..sources };
    let mut table = FlowTable::new(flow_table(&options.flows, &rules, budget));
    if let Some(inspection) = inspection {
        inspection.attach(&mut table, budget.inspection_bytes());
    }
    let joiner = joiner(options, budget).with_paths(interfaces.paths());
    let keeper = Keeper::new(options.budget.limits(), shedding);
    let parts = live_parts((options, keeper), budget, (sources, outlet), (table, joiner));
    Ok(Attached { parts, exporters, metrics, published, own: own_pid })
}

/// Starts what sends facts beside the probes. Returns the description of the run, and where the facts arrive.
fn start_fact_sources(
    options: &Options,
    budget: Budget,
    probes: &[HookReport],
    interfaces: &Interfaces,
) -> Result<(RunDescription, Inbox<Fact>)> {
    let (facts, inbox) = Inbox::new();
    let (translating, translation) = translation::start(facts.clone())?;
    let containers = containers::start(options.containers.sockets(), facts.clone())?;
    let kubernetes = kubernetes::start(&options.kubernetes.settings(), facts, budget.pods_bytes())?;
    let hooks = probes.iter().cloned().chain([translating]).collect();
    let interfaces = interfaces.to_string();
    Ok((RunDescription { interfaces, hooks, translation, containers, kubernetes }, inbox))
}

/// The pipeline's parts, each within its share of the memory.
fn live_parts(
    (options, keeper): (&Options, Keeper),
    budget: Budget,
    (sources, outlet): (Sources, Outlet),
    (table, joiner): (FlowTable, Joiner),
) -> LiveParts {
    LiveParts {
        keeper,
        sources,
        table,
        joiner,
        connects: ConnectFilter::of(options.capture.filter.as_deref()),
        outlet,
        max_waiting: budget.max_waiting_flows(),
        drain_timeout: options.export.drain_timeout(),
    }
}

/// The history, if there is to be one.
pub(super) fn start_history(options: &HistoryOptions) -> Result<Option<History>> {
    let settings = options.folder.as_ref().map(|folder| history::Settings {
        folder: folder.to_path_buf(),
        max_age: options.max_age(),
        max_bytes: options.max_bytes(),
    });
    settings.map(|settings| History::start(&settings)).transpose()
}

/// The published state, which keeps that many records.
pub(super) fn publish(outputs: &Outputs, budget: Budget, records: usize) -> Published {
    let recent = Recent::new(records, budget.recent_bytes());
    Published::new(&outputs.context.host_name, outputs.context.own_pen, recent)
}

/// What observes the pipeline, with what shows records to people.
pub(super) fn observers(
    published: &Published,
    about: RunDescription,
    (host, max_edges): (&Host, usize),
    front: Front,
) -> Result<Observers> {
    let view = front.view.then(|| start_view(published, &about, host)).transpose()?;
    let observers = Observers::new(published.clone(), about, host.clone(), max_edges);
    Ok(observers.with_view(view).with_command(front.command))
}

fn start_view(published: &Published, about: &RunDescription, host: &Host) -> Result<LiveView> {
    let (published, host) = (published.clone(), host.clone());
    LiveView::start(live_view::Sources { published, host, interfaces: about.interfaces.clone() })
}

/// The join, within its share of the memory.
fn joiner(options: &Options, budget: Budget) -> Joiner {
    Joiner::new(options.flows.retention_ns(), probes::own_network_namespace())
        .with_memory_limit(budget.processes_and_sockets_bytes())
        .with_tenancy_limit(budget.tenancy_bytes())
        .with_command_line_limit(options.privacy.max_command_line())
}

/// The way out of the pipeline: which records leave it, and when those of the agent's own connections do.
fn outlet(options: &Options, exporters: Arc<ExporterSet>, own: OwnProcess) -> Outlet {
    Outlet::new(exporters)
        .with_enricher(Box::new(move |record| record.is_own = own.is_in(record)))
        .with_selection(options.export.only.as_ref().map(|only| only.0.clone()))
        .with_own_traffic(OwnTraffic::new(options.capture.hides_own_traffic()))
}

/// The agent itself, as records name it.
fn own_process(probes: &Probes) -> OwnProcess {
    OwnProcess::new(Surroundings::look().pid_in_facts(probes.polls()))
}

/// Tests the hooks at the interval that is configured; none: it is off, or there are no hooks.
fn start_self_test(
    options: &Options,
    probes: &Probes,
    (tap, own): (&Tap, &OwnProcess),
) -> Result<Option<self_test::Outcome>> {
    let Some(interval) = options.probes.self_test_interval().filter(|_| !probes.polls()) else { return Ok(None) };
    let bench = Bench::new(tap.clone(), probes.attached().to_vec(), own.clone());
    Ok(Some(self_test::start(bench, interval)?))
}

/// The flow table's settings; without `--max-flows` it holds as many flows as the memory budget allows.
fn flow_table(options: &FlowOptions, rules: &DecodeRules, budget: Budget) -> FlowTableConfig {
    // The pipeline converts stamps to the engine's time, which nobody sets.
    let mut table = FlowTableConfig { packet_clock: PacketClock::Steady, counts_once: true, ..options.table() };
    table.max_translations = budget.max_translations();
    if options.max_flows.is_none() {
        table.max_flows = budget.max_flows(rules, table.packets);
    }
    tracing::info!(
        "memory budget {}: at most {} flows at once",
        bytes(budget.bytes()),
        grouped(table.max_flows as u64)
    );
    table
}

/// Puts this host's name and this agent's id into every record.
fn observed_by(context: &ExportContext) -> Enricher {
    let [host, observer] = [&context.host_name, &context.observer].map(|text| Arc::<str>::from(text.as_str()));
    Box::new(move |record| {
        record.host = Arc::clone(&host);
        record.observer = Arc::clone(&observer);
    })
}

/// The metrics as of the last published status.
pub(super) fn metrics(published: &Published) -> MetricSource {
    let published = published.clone();
    MetricSource::new(move || published.families())
}

/// Starts the exporters in a role whose threads have no privileges.
pub(super) fn start_exporters(outputs: &Outputs, context: &ExportContext) -> Result<ExporterSet> {
    let start = || ExporterSet::start(&outputs.exporters, context);
    in_role(Role::Exporters, &outputs.written(), start)?.map_err(start_error)
}

fn start_probes(options: &Options, shedding: &Arc<Shedding>) -> Result<Probes> {
    let mut privacy = options.privacy.policy()?;
    privacy.service_names = options.probes.service_names.is_some_and(Into::into);
    let privacy = Arc::new(privacy);
    let uses_links = options.kubernetes.settings().uses_links();
    let pod_logs = if uses_links { options.probes.pod_logs() } else { PathBuf::new() };
    let shedding = Arc::clone(shedding);
    let mut wanted = probes::ProbeOptions { pod_logs, shedding, ..probes::ProbeOptions::new(privacy) };
    if let Some(backend) = options.probes.backend {
        wanted.backend = backend.into();
    }
    if let Some(switch) = options.probes.delay_accounting {
        wanted.delay_accounting = switch.into();
    }
    probes::start(&wanted)
}

fn start_capture(
    interfaces: Interfaces,
    options: &Options,
    rules: &DecodeRules,
    shedding: &Arc<Shedding>,
) -> Result<(LiveCapture, Receiver<PacketBatch>)> {
    let c = &options.capture;
    let options = LiveOptions {
        interfaces,
        filter: c.filter.clone(),
        snap_length: c.snaplen.map_or(LiveOptions::snap_length_for(rules), Ranged::get),
        promiscuous: c.promiscuous.unwrap_or(false),
        rules: *rules,
        ..LiveOptions::default()
    };
    let (sender, batches) = bounded(BATCHES);
    Ok((LiveCapture::start_shedding(&options, &sender, Arc::clone(shedding))?, batches))
}

fn ready_line(about: &RunDescription, http: &str) -> String {
    let taken = about.hooks.iter().filter(|h| h.way.is_some()).count();
    format!("ready: {taken} of {} hooks, packets of {}, {http}", about.hooks.len(), about.interfaces)
}
