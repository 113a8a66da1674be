//! Address translation (NAT) of the host, as the kernel's connection tracking reports it over netlink.
//!
//! The agent lists all translations at the start, and then receives the kernel's notices of new and ended ones, in its own
//! network namespace. After notices were lost, it lists all translations again. The thread keeps CAP_NET_ADMIN, because the
//! kernel lists and reports connections only to processes with this capability.

mod conntrack;
mod filter;
mod message;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use anyhow::Result;
use crossbeam_channel::Sender;
use pidflow_engine::fact::Fact;

pub(crate) use state::{State, TranslationCounts};

use crate::privileges::Role;
use crate::probes::{HookReport, Refusal, own_network_namespace};
use crate::threads::spawn_as;
use conntrack::{Conntrack, Unavailable};
use watch::Watch;

/// The name of this fact in reports.
const WHAT: &str = "address translation";

/// What the agent cannot see without conntrack.
const LOST: &str = "which flows before and after translation (NAT, service addresses) are the same";

/// Starts the thread that sends translations to `facts`. If conntrack is unavailable, no thread is started, and the report has
/// the reason.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(facts: Sender<Vec<Fact>>) -> Result<(HookReport, Arc<State>)> {
    let state = Arc::<State>::default();
    let opened = Conntrack::open();
    let report = report(opened.as_ref().err());
    match opened {
        Ok(conntrack) => {
            let mut watch = Watch::new(conntrack, own_network_namespace(), facts, Arc::clone(&state));
            spawn_as(Role::Translation, "translation", move || watch.run())?;
        }
        Err(e) if report.lost.is_empty() => tracing::info!("{WHAT}: {e}"),
        Err(e) => tracing::warn!("{WHAT}: {e}; not seen: {}; remedy: {}", report.lost, e.remedy()),
    }
    Ok((report, state))
}

/// The report that [`start`] would return, and the remedy; for `pidflow doctor`.
pub(crate) fn probe() -> (HookReport, &'static str) {
    let unavailable = Conntrack::open().err();
    (report(unavailable.as_ref()), unavailable.as_ref().map_or("", Unavailable::remedy))
}

fn report(unavailable: Option<&Unavailable>) -> HookReport {
    match unavailable {
        None => HookReport { fact: WHAT, way: Some("conntrack".into()), refusals: Vec::new(), lost: "" },
        Some(why) => {
            let lost = if why.loses() { LOST } else { "" };
            let refusals = vec![Refusal { hook: None, reason: why.to_string() }];
            HookReport { fact: WHAT, way: None, refusals, lost }
        }
    }
}
