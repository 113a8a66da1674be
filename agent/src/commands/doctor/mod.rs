//! `pidflow doctor`: checks this host, and reports which data pidflow cannot collect on it.

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
use crate::translation;
use finding::{Finding, Verdict, render};

/// Checks the host and prints the report. The exit code is 1 if `pidflow run` would fail.
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
    out += match (fails, all().any(|f| f.verdict == Verdict::Partial)) {
        (true, _) => "\nVerdict: pidflow run will fail here; correct the findings marked FAILS above.\n",
        (_, true) => "\nVerdict: pidflow run works here, but without the data listed above as missing.\n",
        _ => "\nVerdict: pidflow run works here without restrictions.\n",
    };
    print(out.as_bytes())?;
    Ok(if fails { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn hooks(backend: Backend) -> Vec<Finding> {
    match probes::probe_hooks(backend.into()) {
        Ok(reports) => reports.iter().map(hook).chain([translation()]).collect(),
        Err(e) => vec![Finding::new(Verdict::Fails, "all hooks", "none").with("reason", &format!("{e:#}"))],
    }
}

fn translation() -> Finding {
    let (report, remedy) = translation::probe();
    hook(&report).with("remedy", remedy)
}

fn hook(r: &HookReport) -> Finding {
    let verdict = if r.lost.is_empty() { Verdict::Fine } else { Verdict::Partial };
    let way = r.way.as_deref().unwrap_or("none");
    Finding::new(verdict, r.fact, way).with("better hooks failed", &r.reason).with("missing", r.lost)
}
