//! Attempts until a receiver has answered.

use std::time::{Duration, Instant};

use crate::sink::Link;

use super::{Backoff, Failure, Retry};

/// How long and how often a receiver is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempts {
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// How long a failing receiver is tried; none: until time is up.
    pub(crate) give_up: Option<Duration>,
}

/// How the attempts ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptsEnd {
    /// The receiver has accepted what was sent.
    Accepted,
    /// The receiver has refused it permanently.
    Refused,
    /// The receiver was unreachable for too long.
    GivenUp,
    /// Time was up.
    Stopped,
}

impl Attempts {
    /// Calls `attempt`, with the time that it may take, until it succeeds or there is no point in another one.
    pub(crate) fn run(
        self,
        link: &mut Link,
        mut attempt: impl FnMut(&Link, Duration) -> Result<(), Failure>,
    ) -> AttemptsEnd {
        let (give_up, mut backoff) = (self.give_up.map(|t| Instant::now() + t), Backoff::new());
        loop {
            let limit = link.control.remaining().map_or(self.timeout, |r| r.min(self.timeout));
            let Err(failure) = attempt(link, limit) else {
                link.notice.worked();
                return AttemptsEnd::Accepted;
            };
            let pause = match failure.retry {
                Retry::Never => {
                    link.failed(&failure.message, "the receiver refused records permanently, they are lost");
                    return AttemptsEnd::Refused;
                }
                Retry::Backoff => backoff.pause(None),
                Retry::After(asked) => backoff.pause(Some(asked)),
            };
            link.failed(&failure.message, "trying again, records wait");
            if give_up.is_some_and(|t| Instant::now() >= t) {
                return AttemptsEnd::GivenUp;
            }
            if !link.control.pause(pause) {
                return AttemptsEnd::Stopped;
            }
            link.counters.retry();
        }
    }
}
