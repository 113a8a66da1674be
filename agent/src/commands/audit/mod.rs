//! `pidflow audit`: asks a running agent for its ledger, and says whether every packet is accounted for.

mod advice;
mod ask;
mod table;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use crate::cli::AuditArgs;
use crate::failure::{Failure, OrUsage};
use crate::ledger::Ledger;

/// Prints the ledger. 0: it balances; 1: it does not.
pub(crate) fn execute(args: &AuditArgs) -> Result<ExitCode, Failure> {
    let text = ask::ledger(args).or_usage()?;
    let ledger = read(&text).or_usage()?;
    let out = if args.json { text + "\n" } else { table::render(&ledger) + "\n" + &advice::render(&ledger) };
    // The exit code 1 has no other meaning.
    std::io::stdout().write_all(out.as_bytes()).or_usage()?;
    Ok(if ledger.is_balanced() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read(text: &str) -> anyhow::Result<Ledger> {
    let ledger: Option<Ledger> = serde_json::from_str(text)
        .context("cannot parse the answer as a ledger; check that the agent has the same version as this program")?;
    ledger.ok_or_else(|| anyhow!("the agent has just started and has not counted anything yet; try again in a second"))
}
