//! Address translation (NAT) of the host, from the kernel's connection tracking over netlink.
//!
//! The agent lists all translations at the start, and then receives the kernel's notices of new and ended ones, in the
//! network namespace whose interfaces are captured. After lost notices, it lists everything again. Its thread keeps
//! CAP_NET_ADMIN, because the kernel answers nobody else.

mod conntrack;
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

/// What is collected, in reports.
const WHAT: &str = "address translation";

/// What is not seen without it.
const LOST: &str = "which flows before and after translation (NAT, service addresses) are the same";

/// Starts to report translations to `facts`. Where there is no way, the report says why.
///
/// # Errors
/// No thread can be started.
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

/// What [`start`] would report; for `pidflow doctor`.
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
