//! `pidflow doctor`: checks this host, and reports which data pidflow cannot collect on it.

mod finding;
mod hooks;
mod host;
mod packets;
mod self_test;
mod threads;

use std::process::ExitCode;

use super::print;
use crate::cli::DoctorArgs;
use crate::config::choices::Backend;
use crate::failure::Failure;
use finding::{Verdict, render};

/// Checks the host and prints the report. The exit code is 1 if `pidflow run` would fail.
pub(crate) fn execute(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let backend = args.probes.backend.unwrap_or(Backend::Auto);
    let sections = [
        ("Host", host::findings(args, backend == Backend::Poll)),
        ("Hooks", hooks::findings(backend.into())),
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
