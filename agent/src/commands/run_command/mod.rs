//! `pidflow run -- COMMAND`: runs a command while everything is attached, and reports what its processes talked to.

mod results;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pidflow_exporters::Mode;

use super::preflight;
use super::run::{Attached, Front, attach};
use crate::cli::{ReportArgs, RunArgs};
use crate::command_run::report::Circumstances;
use crate::command_run::{Attendant, NotRun, OWN_FAILURE, Prepared, Ran, Watch, prepare};
use crate::config::choices::LogLevel;
use crate::config::options::Options;
use crate::config::outputs::Outputs;
use crate::config::switches::ApplicationNames;
use crate::config::timeout::Timeout;
use crate::config::values::Listen;
use crate::failure::{Failure, OrUsage};
use crate::notify::{self, notify};
use crate::pipeline::{Ended, Live};
use crate::privileges::{self, Role};
use crate::published::Published;
use crate::signals::HeldSignals;
use crate::{config, figures, http, logging, stderr, threads};
use results::Results;

/// How long to wait for processes in the background by default.
const LINGER: Duration = Duration::from_secs(2);

/// Runs the command, and returns its exit code.
pub(crate) fn execute(args: RunArgs) -> ExitCode {
    let code = run(args).unwrap_or_else(|e| {
        stderr::say(&format!("pidflow: {e}"));
        // A code of its own, because the command may end with 1 or 2.
        OWN_FAILURE
    });
    ExitCode::from(code)
}

fn run(args: RunArgs) -> Result<u8, Failure> {
    let RunArgs { config, report, options, command } = args;
    let options = with_defaults(config::resolve(options, config.as_deref())?);
    let results = Results::open(&report)?;
    // Nothing of what follows reaches the command.
    let prepared = prepare(&command)?;
    let outputs = Outputs::new(&options, Mode::Live).or_usage()?;
    preflight::check(&options).or_usage()?;
    outputs.check_apart(config.iter()).or_usage()?;
    outputs.check_apart(options.files_read()).or_usage()?;
    if outputs.uses_stdout() {
        return Err(anyhow!("standard output is the command's; write the records to a file")).or_usage();
    }
    outputs.check(Role::Exporters)?;
    logging::start(&options.log);
    outputs.say_what_is_not_used();
    let watch = Watch::default();
    let name = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match watched(&options, &outputs, (&report, prepared), &watch)? {
        (Ok(ran), losses) => results.finish(&watch, Circumstances::new(ran, name, losses)),
        (Err(NotRun { code, reason }), _) => {
            stderr::say(&format!("pidflow: cannot run {name:?}: {reason}"));
            Ok(code)
        }
    }
}

/// A command owns the terminal and standard output, and another agent may serve HTTP on the usual port.
fn with_defaults(mut options: Options) -> Options {
    options.flows.application_names.get_or_insert(ApplicationNames::On);
    options.http.listen.get_or_insert(Listen::Off);
    options.probes.self_test_interval.get_or_insert(Timeout::seconds(0));
    options.log.level.get_or_insert(LogLevel::Warn);
    options
}

/// Attaches everything, lets the command run, and returns what came of it and what was lost.
fn watched(
    options: &Options,
    outputs: &Outputs,
    (report, prepared): (&ReportArgs, Prepared),
    watch: &Watch,
) -> Result<(Result<Ran, NotRun>, Vec<String>), Failure> {
    let port = http::Settings::read(&options.http).or_usage()?;
    let signals = HeldSignals::for_command()?;
    if let Err(e) = privileges::keep_for_command() {
        tracing::warn!("cannot give up privileges: {e:#}");
    }
    let child = prepared.child();
    watch.follow(child.pid());
    let stop = signals.pass_on(move |received| child.pass(received))?;
    let front = Front { view: false, command: Some(watch.clone()) };
    let Attached { parts, published, own, .. } = attach(options, outputs, port, front)?;
    if own != Some(std::process::id()) {
        return Err(anyhow!(
            "the kernel's process numbers are not known in this PID namespace, so the command's processes cannot be told \
             from others; run in the host's PID namespace (docker run --pid=host)"
        )
        .into());
    }
    let linger = report.linger.map_or(LINGER, |linger| linger.0);
    let live = Live::new(parts);
    let ending = Attendant { watch: watch.clone(), stop: stop.clone(), linger }.start(prepared)?;
    Role::Pipeline.enter_or_warn();
    notify(notify::READY);
    let ended = live.run(&stop);
    threads::check_vital()?;
    let ending = ending.recv().context("every interface is gone, nothing is left to capture")??;
    Ok((ending, losses(&published, &ended)))
}

/// What was lost, one line each.
fn losses(published: &Published, ended: &Ended) -> Vec<String> {
    let status = published.status();
    let lost = status.losses.iter().filter(|loss| loss.total > 0);
    let lost =
        lost.map(|loss| format!("{}: {} {} ({})", loss.stage, figures::grouped(loss.total), loss.what, loss.reason));
    let left = (ended.left_over > 0).then(|| {
        format!("{} packets are in no record; the drain timeout had passed", figures::grouped(ended.left_over))
    });
    lost.chain(left).collect()
}
