//! What works, and what is not seen: for `/readyz`, metrics and the log.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::WHAT;
use crate::http_client::Failure;
use crate::probes::{HookReport, Refusal};

/// What is missing without an engine.
const LOST: &str = "names, images and Compose services of containers; they have only their ids";

/// The shortest time between two lines about the same failure.
const MIN_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The state, shared with the thread.
#[derive(Debug, Default)]
pub(crate) struct State {
    sockets: Mutex<BTreeMap<String, Socket>>,
}

#[derive(Debug, Default)]
struct Socket {
    works: bool,
    failures: u64,
    /// Why it does not work; empty: it was not asked yet, or works.
    why: String,
    /// The failure that was logged last, and when.
    logged: Option<(String, Instant)>,
}

impl Socket {
    /// A failure is logged once; the same one again only after it worked, and not often.
    fn is_to_log(&self, why: &str) -> bool {
        self.logged.as_ref().is_none_or(|(text, at)| text != why || (self.works && at.elapsed() > MIN_LOG_INTERVAL))
    }
}

impl State {
    pub(super) fn of(sockets: &[PathBuf]) -> Self {
        let sockets = sockets.iter().map(|path| (path.display().to_string(), Socket::default())).collect();
        Self { sockets: Mutex::new(sockets) }
    }

    fn sockets(&self) -> MutexGuard<'_, BTreeMap<String, Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This engine has listed its containers.
    pub(super) fn works(&self, socket: &str, known: usize) {
        let mut sockets = self.sockets();
        let now = sockets.entry(socket.to_owned()).or_default();
        if !std::mem::replace(&mut now.works, true) {
            tracing::info!("{WHAT}: {known} containers from {socket}");
        }
        now.why.clear();
    }

    /// Asking this engine failed.
    pub(super) fn failed(&self, socket: &str, why: &Failure) {
        let mut sockets = self.sockets();
        let now = sockets.entry(socket.to_owned()).or_default();
        let why = why.to_string();
        if now.is_to_log(&why) {
            tracing::warn!(
                "{WHAT}: {socket}: {why}; not seen: {LOST}; the agent continues to try; remedy: docs/workloads.md"
            );
            now.logged = Some((why.clone(), Instant::now()));
        }
        (now.works, now.why, now.failures) = (false, why, now.failures.saturating_add(1));
    }

    /// So many containers or events of this engine were of no use.
    pub(super) fn ignored(&self, socket: &str, count: u64) {
        if let Some(now) = self.sockets().get_mut(socket) {
            now.failures = now.failures.saturating_add(count);
        }
    }

    /// How names are known; none: no engine is asked.
    pub(crate) fn report(&self) -> Option<HookReport> {
        let sockets = self.sockets();
        let working: Vec<_> = sockets.iter().filter(|(_, s)| s.works).map(|(path, _)| path.as_str()).collect();
        let failing = sockets.iter().filter(|(_, s)| !s.why.is_empty());
        let refusals = failing.map(|(path, s)| Refusal { hook: None, reason: format!("{path}: {}", s.why) }).collect();
        let lost = if working.len() == sockets.len() { "" } else { LOST };
        let way = (!working.is_empty()).then(|| working.join(", "));
        (!sockets.is_empty()).then_some(HookReport { fact: WHAT, way, refusals, lost })
    }

    /// Failed attempts, and containers and events that were of no use, by socket.
    pub(crate) fn failures(&self) -> Vec<(String, u64)> {
        self.sockets().iter().map(|(path, s)| (path.clone(), s.failures)).collect()
    }
}
