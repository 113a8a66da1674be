//! When and whether a failed request is repeated (OTLP specification, "Failures", "OTLP/gRPC Throttling" and "OTLP/HTTP
//! Throttling").

use std::error::Error;

use tonic::{Code, Status};

use crate::delivery::{Failure, Retry};
use crate::net::{Answer, one_line};

use super::answer::{asked_for, reason};

/// Whether the specification calls the failure one that may pass. A status with a source was not sent by the receiver:
/// the connection broke.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        _ if status.source().is_some() => true,
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => true,
        Code::OutOfRange | Code::Unavailable | Code::DataLoss => true,
        Code::ResourceExhausted => asked_for(status.details()).is_some(),
        _ => false,
    }
}

/// What the answer means for another attempt.
pub(super) fn of_grpc(status: &Status) -> Failure {
    let retry = match asked_for(status.details()) {
        _ if !may_pass(status) => Retry::Never,
        Some(asked) => Retry::After(asked),
        None => Retry::Backoff,
    };
    let cause = innermost(status).map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure { retry, ..Failure::passing(one_line(&format!("{:?}: {}{cause}", status.code(), status.message()))) }
}

/// The layers between say little.
fn innermost(status: &Status) -> Option<&dyn Error> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause)
}

/// As [`of_grpc`]: the specification has fewer statuses that may pass than others who speak HTTP.
pub(super) fn of_http(answer: &Answer) -> Failure {
    let failure = answer.refusal_unless(&[429, 502, 503, 504]);
    match reason(&answer.body) {
        Some(reason) => Failure { message: format!("HTTP {}: {}", answer.status, one_line(&reason)), ..failure },
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::answer::throttling;
    use super::*;

    fn throttled(code: Code, seconds: i64) -> Status {
        Status::with_details(code, "slow down", throttling(seconds).into())
    }

    fn retry(status: &Status) -> Retry {
        of_grpc(status).retry
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let again = |code| retry(&Status::new(code, "")) == Retry::Backoff;
        assert!(again(Code::Unavailable) && again(Code::DeadlineExceeded));
        assert!(!again(Code::InvalidArgument) && !again(Code::Unauthenticated) && !again(Code::Unimplemented));
        assert!(!again(Code::ResourceExhausted) && !again(Code::Unknown));
    }

    #[test]
    fn a_broken_connection_is_no_answer() {
        let mut status = Status::new(Code::Unknown, "transport error");
        status.set_source(Arc::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        let failure = of_grpc(&status);
        assert_eq!(
            (failure.retry, failure.message.as_str()),
            (Retry::Backoff, "Unknown: transport error: broken pipe")
        );
    }

    #[test]
    fn the_receivers_wish_is_obeyed() {
        assert_eq!(retry(&throttled(Code::Unavailable, 7)), Retry::After(Duration::from_secs(7)));
        assert_eq!(retry(&throttled(Code::ResourceExhausted, 1)), Retry::After(Duration::from_secs(1)));
        let garbage = Status::with_details(Code::Unavailable, "", vec![0xff, 0xff].into());
        assert_eq!(retry(&garbage), Retry::Backoff);
        assert_eq!(retry(&throttled(Code::ResourceExhausted, -1)), Retry::Never);
    }

    #[test]
    fn over_http_four_statuses_may_pass() {
        let answer = |status, seconds: Option<u64>| {
            of_http(&Answer { status, body: throttling(1), retry_after: seconds.map(Duration::from_secs) })
        };
        for status in [429, 502, 503, 504] {
            assert_eq!(answer(status, None).retry, Retry::Backoff);
            assert_eq!(answer(status, Some(3)).retry, Retry::After(Duration::from_secs(3)));
        }
        for status in [400, 401, 404, 408, 413, 500, 501] {
            assert_eq!(answer(status, Some(3)).retry, Retry::Never);
        }
        assert_eq!(answer(400, None).message, "HTTP 400: slow down");
    }
}
