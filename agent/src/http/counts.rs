//! Counters of HTTP: answers by status, connections closed early by reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use pidflow_schema::metric::{Family, MetricSample};

/// Why the agent closed a connection, apart from idle ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CloseReason {
    /// Other connections needed its slot.
    Displaced,
    /// The request did not arrive in time.
    SlowRequest,
    /// The client did not read the answer in time.
    SlowReader,
    /// The bytes received are not HTTP.
    Malformed,
    /// The TLS handshake failed.
    Handshake,
}

impl CloseReason {
    const fn name(self) -> &'static str {
        match self {
            Self::Displaced => "displaced",
            Self::SlowRequest => "slow-request",
            Self::SlowReader => "slow-reader",
            Self::Malformed => "malformed",
            Self::Handshake => "tls-handshake",
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    answers: BTreeMap<u16, u64>,
    cuts: BTreeMap<CloseReason, u64>,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Tally>);

impl Counts {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered.
    pub(super) fn answered(&self, status: StatusCode) {
        *self.tally().answers.entry(status.as_u16()).or_default() += 1;
    }

    /// A connection was closed early.
    pub(super) fn cut(&self, why: CloseReason) {
        *self.tally().cuts.entry(why).or_default() += 1;
    }

    /// As metrics.
    pub(super) fn families(&self) -> [Family; 2] {
        let tally = self.tally();
        [
            Family::counter(
                "pidflow.http.requests",
                "{request}",
                "HTTP requests answered, by status.",
                MetricSample::by("status", tally.answers.iter().map(|(status, n)| (status, *n))),
            ),
            Family::counter(
                "pidflow.http.connections.cut",
                "{connection}",
                "HTTP connections closed by the agent before their time, by reason.",
                MetricSample::by("reason", tally.cuts.iter().map(|(why, n)| (why.name(), *n))),
            ),
        ]
    }
}
