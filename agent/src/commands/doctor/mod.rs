//! `pidflow doctor`: what this host supports, and what data is missing without it.

mod finding;
mod host;
mod packets;
mod threads;

use std::process::ExitCode;

use super::print;
use crate::cli::DoctorArgs;
use crate::config::choices::Backend;
use crate::failure::Failure;
use crate::probes::{self, HookReport};
use finding::{Finding, Verdict, render};

/// Checks, prints the report, and fails when `pidflow run` would.
pub(crate) fn execute(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let backend = args.probes.backend.unwrap_or(Backend::Auto);
    let sections = [
        ("Host", host::findings(&args.probes.pod_logs(), backend == Backend::Poll)),
        ("Hooks", hooks(backend)),
        ("Packets", packets::findings()),
        ("Threads", threads::findings()),
    ];
    let all = || sections.iter().flat_map(|(_, findings)| findings);
    let fails = all().any(|f| f.verdict == Verdict::Fails);
    let mut out = render(&sections);
    out += match (fails, all().any(|f| f.verdict == Verdict::Less)) {
        (true, _) => "\nVerdict: pidflow run will fail here; correct the findings marked FAILS above.\n",
        (_, true) => "\nVerdict: pidflow run works here, without the data named above as lost.\n",
        _ => "\nVerdict: pidflow run works here without restrictions.\n",
    };
    print(out.as_bytes())?;
    Ok(if fails { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn hooks(backend: Backend) -> Vec<Finding> {
    match probes::probe_hooks(backend.into()) {
        Ok(reports) => reports.iter().map(hook).collect(),
        Err(e) => vec![Finding::new(Verdict::Fails, "all hooks", "none").with("why", &format!("{e:#}"))],
    }
}

fn hook(r: &HookReport) -> Finding {
    let verdict = if r.lost.is_empty() { Verdict::Fine } else { Verdict::Less };
    let way = r.way.as_deref().unwrap_or("none");
    Finding::new(verdict, r.fact, way).with("why not a better hook", &r.reason).with("lost", r.lost)
}
