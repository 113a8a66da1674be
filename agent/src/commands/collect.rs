//! `pidflow collect`: receives records of exporters on other hosts.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use crossbeam_channel::bounded;
use pidflow_collector::{Limits, Settings};
use pidflow_exporters::{ExportContext, ExporterSet, MetricSource, Mode};
use pidflow_schema::Enterprise;

use super::run::{Front, VIEW_RECORDS, metrics, observers, publish, shows_view, start_exporters, start_history};
use super::summary;
use crate::cli::CollectArgs;
use crate::collect::{Gluing, Ports, Reload};
use crate::config::options::Options;
use crate::config::outputs::Outputs;
use crate::config::values::Ranged;
use crate::failure::{Failure, OrUsage};
use crate::history::History;
use crate::host::Host;
use crate::memory::Budget;
use crate::notify::{self, notify};
use crate::observe::RunDescription;
use crate::output_folders::OutputFolders;
use crate::pipeline::{Collecting, Outlet};
use crate::privileges::{self, Role};
use crate::reload::Reloader;
use crate::signals::HeldSignals;
use crate::{config, http, logging, places, stderr, threads};

/// Why it ends without being asked to.
const NOTHING_LEFT: &str = "no address is left to receive from exporters";

/// Receives until it is stopped.
pub(crate) fn execute(args: CollectArgs) -> Result<(), Failure> {
    let CollectArgs { config: file, collect, places, export, http, history, view, log } = args;
    let given = Options { collect, places, export, http, history, view, log, ..Options::default() };
    let options = config::resolve(given.clone(), file.as_deref())?;
    let outputs = Outputs::new(&options, Mode::Live).or_usage()?;
    outputs.check_apart(file.iter()).or_usage()?;
    outputs.check_apart(options.files_read()).or_usage()?;
    outputs.check(Role::Exporters)?;
    logging::start(&options.log);
    outputs.say_what_is_not_used();
    let port = http::Settings::read(&options.http).or_usage()?;
    // Before privileges are given up: ports below 1024 need one.
    let ports = Ports::open(&options.collect).or_usage()?;
    let signals = HeldSignals::new()?;
    if let Err(e) = privileges::keep_for_collecting() {
        tracing::warn!("cannot give up privileges: {e:#}");
    }
    let view = shows_view(&options, &outputs);
    let (hang_up, hung_up) = bounded(1);
    let stop = signals.watch((!view).then_some(hang_up), || notify(notify::STOPPING))?;
    let Started { collecting, exporters, metrics, certificates } = start(&options, &outputs, (port, ports), view)?;
    let queues_bytes = outputs.context.queues_bytes;
    let (running, folders, began) = (outputs.exporters, OutputFolders::default(), options);
    Reloader { given, file, began, running, metrics, queues_bytes, exporters, folders, certificates }.start(hung_up)?;
    Role::Collecting.enter_or_warn();
    notify(notify::READY);
    let ended = collecting.run(&stop);
    stderr::say(&summary::collecting(&ended));
    threads::check_vital()?;
    if stop.requested() { Ok(()) } else { Err(anyhow!(NOTHING_LEFT).into()) }
}

/// The running parts.
struct Started {
    collecting: Collecting,
    exporters: Arc<ExporterSet>,
    metrics: MetricSource,
    /// Reads them again.
    certificates: Option<Reload>,
}

fn start(options: &Options, outputs: &Outputs, (http, ports): (http::Settings, Ports), view: bool) -> Result<Started> {
    let http = http::Ports::open(http)?;
    let budget = Budget::of_other_commands();
    let served = if http.serves_records() { options.http.recent_flows() } else { 0 };
    let history = start_history(&options.history)?;
    let published = publish(outputs, budget, served.max(if view { VIEW_RECORDS } else { 0 }))
        .with_history(history.as_ref().map(History::questions));
    let metrics = metrics(&published);
    let context = ExportContext { metrics: Some(metrics.clone()), ..outputs.context.clone() };
    let exporters = Arc::new(start_exporters(outputs, &context)?);
    let about = RunDescription::of_collector(&ports.describe());
    let ready = format!("ready: records of exporters at {}, {}", about.interfaces, http.describe());
    http.serve(&published)?;
    let host = Host::start()?;
    let front = Front { view, command: None };
    let observers = observers(&published, about, (&host, options.http.max_edges()), front)?.with_history(history);
    let only = options.export.only.as_ref().map(|only| only.0.clone());
    let places = places::start(options.places.settings())?;
    let outlet = Outlet::new(Arc::clone(&exporters)).with_places(places).with_selection(only);
    let outlet = outlet.with_observer(Box::new(observers));
    let count = ports.count().max(1);
    let (source, certificates) =
        ports.start(settings(options, budget.collector_bytes() / count), &outputs.context.observer)?;
    tracing::info!("{ready}");
    let glue = options.collect.glue.map(|window| Gluing::new(window.nanoseconds(), budget.glue_bytes()));
    let collecting = Collecting::new(source, outlet, options.export.drain_timeout()).with_glue(glue);
    Ok(Started { collecting, exporters, metrics, certificates })
}

/// The collector of one port may keep that much of exporters, bytes.
fn settings(options: &Options, max_bytes: usize) -> Settings {
    /// One exporter may have this part of it.
    const EXPORTER_PART: usize = 16;
    let own_pen = options.export.own_pen.map_or(Enterprise::DEFAULT_OWN_PEN, Ranged::get);
    Settings { own_pen, limits: Limits { max_bytes, max_exporter_bytes: max_bytes / EXPORTER_PART } }
}
