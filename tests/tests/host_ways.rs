//! For every way into a socket, the record names the process that used it, at both ends.
//!
//! Needs root. The backend is `PIDFLOW_TEST_PROBES` (default `tracepoint`).

use std::process::Command;

use anyhow::{Result, ensure};
use pidflow_tests::process::Guarded;
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

/// Bursts of 40 processes a second, while two processes keep the processors busy; repeated `PIDFLOW_REPEAT` times, or once.
#[test]
fn bursts_at_forty_a_second_under_load() -> Result<()> {
    if without_root("bursts_at_forty_a_second_under_load") {
        return Ok(());
    }
    let backend = std::env::var("PIDFLOW_TEST_PROBES").unwrap_or_else(|_| "tracepoint".to_owned());
    let times = std::env::var("PIDFLOW_REPEAT").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let burn = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().map(Guarded::new);
    let _burners = [burn()?, burn()?];
    let mut sum = [0; 5];
    for _ in 0..times {
        let trial = trial::observe("burst --count 200 --rate 40 --ports 10 --at-a-time 4", &["--probes", &backend])?;
        let o = &trial.outcome;
        for (sum, n) in sum.iter_mut().zip([o.exchanges, o.right, o.missing, o.wrong, o.surplus]) {
            *sum += n;
        }
        if !o.perfect() {
            println!("{o}");
        }
    }
    let [exchanges, right, missing, wrong, surplus] = sum;
    println!("{exchanges} exchanges: {right} right, {missing} missing, {wrong} wrong, {surplus} surplus");
    ensure!(wrong == 0 && (exchanges - right) * 1000 <= exchanges, "{wrong} wrong, {missing} missing of {exchanges}");
    Ok(())
}
