//! Every way into a socket names the process that used it, at both ends.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES` (default `tracepoint`).

use anyhow::{Result, ensure};
use pidflow_tests::scenario::ways;
use pidflow_tests::skip::{skip, without_root};
use pidflow_tests::trial;

#[test]
fn every_way_into_a_socket() -> Result<()> {
    const NAME: &str = "every_way_into_a_socket";
    if without_root(NAME) {
        return Ok(());
    }
    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let only = std::env::var("PIDFLOW_WAY").ok();
    let mut failed = Vec::new();
    for way in ways::ALL.into_iter().filter(|way| only.as_ref().is_none_or(|only| only == way)) {
        if let Some(reason) = ways::missing(way) {
            skip(&format!("{NAME} ({way})"), &reason);
            continue;
        }
        let trial = trial::observe(&format!("ways --way {way}"), &["--probes", &backend]);
        let trial = match trial {
            Ok(trial) => trial,
            Err(e) => {
                println!("{way}: {e:#}");
                failed.push(way);
                continue;
            }
        };
        let outcome = &trial.outcome;
        println!("{way}: {outcome}");
        if !outcome.perfect() {
            failed.push(way);
        }
    }
    ensure!(failed.is_empty(), "{failed:?}");
    Ok(())
}
